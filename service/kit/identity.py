"""Who acts: the one value a unit of work, an audit entry and a log line need to know about the caller."""

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID


class DbRole(StrEnum):
    """Postgres roles a unit may take; each is granted only the tables and rows it needs (migrations/tenancy.py)."""

    TEAM = "tp_team"  # one team's rows
    FINANCE = "tp_finance"  # reads costs of all teams
    OPERATOR = "tp_operator"  # runs the platform
    WORKER = "tp_worker"  # claims work across teams, records nothing
    AUTH = "tp_auth"  # looks a key up
    RESOLVER = "tp_resolver"  # loads the resolve snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A caller, resolved once at the edge. `name` is what the audit shows: a key's id, `worker`, `cli`."""

    db_role: DbRole
    name: str
    team_id: UUID | None = None
    key_id: UUID | None = None
    role: str = "system"
    scopes: frozenset[str] = frozenset()
    is_archived: bool = False  # its team is: it may read what it could, and resolve
    request_id: str | None = None
    ip: str | None = None

    @property
    def team(self) -> UUID:
        """The team of a team's actor. A programming error to ask it of anybody else."""
        if self.team_id is None:
            raise AssertionError(f"{self.name} acts for no team")
        return self.team_id

    def within(self, team_id: UUID) -> "Actor":
        """The same caller locked into one team: how an operator changes what is a team's."""
        return replace(self, db_role=DbRole.TEAM, team_id=team_id)

    def for_nobody(self) -> "Actor":
        """The same caller where no team owns what is written: how finance books what is unallocated."""
        return replace(self, db_role=DbRole.OPERATOR, team_id=None)


WORKER = Actor(db_role=DbRole.WORKER, name="worker")
AUTH = Actor(db_role=DbRole.AUTH, name="auth")
RESOLVER = Actor(db_role=DbRole.RESOLVER, name="resolver")
CLI = Actor(db_role=DbRole.OPERATOR, name="cli", role="operator")
SYSTEM = Actor(db_role=DbRole.OPERATOR, name="worker", role="operator")
"""A worker doing platform-wide chores that belong to no team: ticks, connections."""


def worker_for(team_id: UUID) -> Actor:
    """A worker recording what it did, locked into the row's team."""
    return Actor(db_role=DbRole.TEAM, name="worker", team_id=team_id)
