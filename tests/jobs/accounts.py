"""The one provider account of the tests' platform, for tests that speak to it as a worker would."""

from uuid import UUID

from service import connections
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.provider.shapes import Credentials


def credentials() -> tuple[UUID, Credentials]:
    """Its id and how to reach it."""
    with unit_of_work(WORKER) as session:
        default = connections.default(session)
        assert default is not None
        return default.id, connections.credentials(session, default.id)
