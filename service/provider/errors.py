"""What a call to a provider can end in, besides an answer.

Two facts matter: may it have had an effect, and is it the account's fault.
"""


class ProviderError(Exception):
    """A call to the provider did not bring an answer."""

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.status, self.param = message, code, status, param


class Refused(ProviderError):
    """The provider said no (400, 401, 403, 404, 422): there was no effect, and asking again brings the same answer."""


class NotThere(Refused):
    """404: the object does not exist for this account."""


class AccountRefused(Refused):
    """401, 403 or an exhausted account: the connection is at fault, not the request."""


class RateLimited(ProviderError):
    """429 with a body: there was no effect; ask again after `retry_after_seconds`."""

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, code=code, status=429)
        self.retry_after_seconds = retry_after_seconds


class TooManyJobs(RateLimited):
    """429 on creating a job, because the account has as many jobs under way as it may have."""


class FileNotReady(RateLimited):
    """400 on creating a job, because the provider still works on a file: there was no effect, and soon it will do."""


class Unknown(ProviderError):
    """A timeout, a broken connection, 408, 409 or 5xx: the effect may have happened. To be looked up, never guessed."""


class Unusable(ProviderError):
    """It answered, but with something that cannot be what was asked for. Asking again may bring the same."""


class Unreachable(Unknown):
    """No connection came about (no name, refused, no handshake): nothing was sent, which is all that is known."""


class Paused(ProviderError):
    """Nothing was sent: the account is left alone for now, by an operator, by its circuit or by its pace."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message, code="account_paused")
        self.retry_after_seconds = retry_after_seconds
