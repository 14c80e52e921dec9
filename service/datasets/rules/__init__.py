"""Pure decisions about datasets: states, the format, the report. What they must count comes in as a function."""
