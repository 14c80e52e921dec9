"""What can go wrong with connections."""

from service.kit.errors import Conflict, Invalid, NotFound, Unavailable


class ConnectionNotFound(NotFound):
    """There is no connection {connection!r}."""

    code = "connection_not_found"


class ConnectionTaken(Conflict):
    """There is a connection {name!r} already, or another default one. Nothing was changed."""

    code = "connection_taken"


class BadBaseUrl(Invalid):
    """{base_url!r} is no address of a provider: give http(s)://host/path without user, query or fragment."""

    code = "bad_base_url"


class NoConnection(Unavailable):
    """There is no provider account yet. An operator makes the first with `tuneplane admin bootstrap`."""

    code = "no_connection"
