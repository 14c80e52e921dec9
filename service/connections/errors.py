"""What can go wrong with connections."""

from service.kit.errors import Conflict, Invalid, NotFound, Unauthenticated, Unavailable


class ConnectionNotFound(NotFound):
    """There is no connection {connection!r}."""

    code = "connection_not_found"


class TestNotFound(NotFound):
    """This connection has no test {test!r}."""

    code = "connection_test_not_found"


class ConnectionTaken(Conflict):
    """There is a connection {name!r} already, or another default one. Nothing was changed."""

    code = "connection_taken"


class ConnectionArchived(Conflict):
    """The connection {connection!r} is archived: it takes nothing new and cannot be changed."""

    code = "connection_archived"


class DefaultNeeded(Conflict):
    """{connection!r} is the default of teams that chose none. Make another connection the default first."""

    code = "default_connection_needed"


class ConnectionInUse(Conflict):
    """{connection!r} cannot be archived: {jobs} jobs on it are not over, and {teams} teams have chosen it."""

    code = "connection_in_use"


class NoCostsApi(Conflict):
    """{connection!r} is an account at Azure, which tells costs and usage in its portal only: no key reads them."""

    code = "no_costs_api"


class BadBaseUrl(Invalid):
    """{base_url!r} is no address of a provider: give http(s)://host/path without user, query or fragment."""

    code = "bad_base_url"


class NoConnection(Unavailable):
    """There is no provider account yet. An operator makes the first with `tuneplane admin bootstrap`."""

    code = "no_connection"


class WebhookRefused(Unauthenticated):
    """This webhook is not signed with the connection's secret, or was signed more than five minutes ago or ahead."""

    code = "webhook_refused"
