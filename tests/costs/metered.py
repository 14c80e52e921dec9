"""An organisation at a provider that is read with its admin key: a real emulator, a connection, keys and usage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import text

from service import connections, costs
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.emulator.test_permissions import admin_of
from tests.emulator.world import Emulator
from tests.quotas.factories import MODEL
from tests.tenants.factories import acting_for


@dataclass
class Organisation:
    """One emulator, and the account that reads it. `project` is the one usage is planted in."""

    emulator: Emulator
    admin_key: str
    connection: UUID
    project: str

    def use(self, model: str, day: date, *, api_key: str = "key_a", **used: Any) -> None:
        """Plant usage at noon (UTC)."""
        at = datetime.combine(day, time(12), UTC).timestamp()
        self.emulator.tell("/usage", model=model, project=self.project, api_key=api_key, at=at, **used)

    def lines(self, day: date | None = None) -> list[dict[str, Any]]:
        """What we keep of its usage, in the order it was told."""
        with read_only(CLI) as session:
            rows = session.execute(
                text("SELECT * FROM usage_days WHERE connection_id = :id ORDER BY id"), {"id": self.connection}
            )
            return [dict(row) for row in rows.mappings() if day in (None, row["day"])]

    def entries(self) -> list[dict[str, Any]]:
        """What the ledger has of it."""
        with read_only(CLI) as session:
            rows = session.execute(
                text("SELECT * FROM ledger_entries WHERE connection_id = :id ORDER BY seq"), {"id": self.connection}
            )
            return [dict(row) for row in rows.mappings()]


@contextmanager
def an_organisation(emulator: Emulator, **facts: Any) -> Iterator[Organisation]:
    """A connection of its own, read with an admin key until the test is over; what was used is then forgotten."""
    admin = admin_of(emulator)
    admin.close()
    about: dict[str, Any] = {
        "kind": connections.Kind.OPENAI, "provider": "openai", "base_url": f"{emulator.url}/v1",
        "api_key": SecretStr("sk-none"),
    }  # fmt: skip
    with unit_of_work(CLI) as session:
        made = connections.create(session, CLI, name=uuid4().hex, **about | facts)
        connections.set_admin_key(session, CLI, made.name, SecretStr(admin.key))
    yield Organisation(emulator, admin.key, made.id, facts.get("project", f"proj_{uuid4().hex[:12]}"))
    with unit_of_work(CLI) as session:
        connections.set_admin_key(session, CLI, made.name, None)
    emulator.control.delete("/usage")


def a_tuned_model(team: TeamFacts | None = None, base: str = MODEL) -> str:
    """A fine-tune's name; of a team that has made it, or of nobody we know."""
    model = f"ft:{base}:acme::{uuid4().hex[:8]}"
    if team is not None:
        with unit_of_work(acting_for(team)) as session:
            costs.own_model(session, team.id, model, connection_id=None, base_model=base)
    return model
