"""What providers bill against what the ledger has: day by day, line by line, with a cause for every difference."""
