"""Teams and keys with defaults that make sense, made through the front door."""

from uuid import uuid4

from service import tenants
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import CLI, Actor, DbRole
from service.tenants import KeyView, Role, TeamFacts


def a_team(**facts: str) -> TeamFacts:
    """A team nobody else uses."""
    slug = facts.pop("slug", f"t-{uuid4().hex[:20]}")
    with unit_of_work(CLI) as session:
        tenants.create_team(session, CLI, tenants.TeamCreate(slug=slug, name=facts.pop("name", "A team"), **facts))
        return tenants.find_team(session, slug)


def a_key(team: TeamFacts | None, role: Role) -> tuple[KeyView, str]:
    """A key of the team, or of the platform."""
    with unit_of_work(CLI) as session:
        return tenants.create_key(
            session, CLI, team_id=team.id if team else None, role=role, name="test", at=clock.now()
        )


def acting_for(team: TeamFacts) -> Actor:
    """Somebody of the team, whatever the role: what Postgres itself lets them do."""
    return Actor(db_role=DbRole.TEAM, name="test", team_id=team.id)


NOBODY = Actor(db_role=DbRole.TEAM, name="nobody")
"""The role of teams with no team set."""
