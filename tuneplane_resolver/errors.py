"""Why there is no model to call. An outage of Tuneplane is one of them only where nothing was ever learnt before it."""


class ResolveError(Exception):
    """There is no answer to this question."""


class NotServed(ResolveError):
    """404: there is no such model or alias, or it is another team's."""


class Retired(ResolveError):
    """410: the model was served once and is not any more."""


class KeyRefused(ResolveError):
    """401 or 403: the API key is unknown, expired, revoked, or not one that may resolve."""


class Unanswered(ResolveError):
    """Tuneplane did not answer, and nothing is known that may still be used."""
