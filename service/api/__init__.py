"""The HTTP edge: translate a request, open a unit of work, call a domain's verb. No decision is made here."""
