"""Moves asked for ahead of time."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from service import registry
from service.cli.local import LocalStack
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.ids import read
from service.registry import Move, ScheduleView, Share, flows
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.tenants.factories import a_team

NAME, ALIAS = "support-bot", "production"


@pytest.fixture
def team(quiet: LocalStack) -> TeamFacts:
    made = a_team()
    a_version(made), a_version(made, ready=False)
    return made


def ask(team: TeamFacts, version: int, starts_at: datetime) -> ScheduleView:
    with unit_of_work(acting_for(team)) as session:
        move = Move(acting_for(team), clock.now(), "monday")
        return registry.schedule(
            session, move, NAME, ALIAS, [Share(version=version, weight=10_000)], starts_at=starts_at
        )


def run(team: TeamFacts, shown: str, *, now: bool = True) -> ScheduleView:
    """Let a worker look at it, as if its time had come."""
    schedule: UUID = read("sched", shown)
    if now:
        with unit_of_work(acting_for(team)) as session:
            session.execute(
                text("UPDATE alias_schedules SET due_at = now() WHERE id = :id AND due_at IS NOT NULL"),
                {"id": schedule},
            )
    flows.move([schedule])
    with read_only(acting_for(team)) as session:
        found = registry.schedules(session, team.id, NAME, ALIAS, after=None, limit=100).data
    return next(one for one in found if one.id == shown)


def history(team: TeamFacts) -> list[registry.MoveView]:
    with read_only(acting_for(team)) as session:
        return registry.moves(session, team.id, NAME, ALIAS, at=None, after=None, limit=100).data


def test_it_is_made_when_its_time_has_come_in_the_name_of_who_asked(team: TeamFacts) -> None:
    asked = ask(team, 1, clock.now() + timedelta(hours=1))
    assert run(team, asked.id, now=False).state == "waiting"
    assert run(team, asked.id).state == "done"
    (move,) = history(team)
    assert (move.by, move.reason, move.evidence) == ("key_test", "monday", {"schedule": asked.id})
    assert run(team, asked.id).state == "done", "once"
    assert len(history(team)) == 1


def test_what_is_refused_then_fails_says_why_and_is_told(team: TeamFacts) -> None:
    failed = run(team, ask(team, 2, clock.now() + timedelta(hours=1)).id)
    assert failed.state == "failed"
    assert "is loading" in (failed.outcome or "")


def test_a_move_that_waits_is_called_off_and_one_that_was_made_is_not(team: TeamFacts) -> None:
    made, waiting = (ask(team, 1, clock.now() + timedelta(hours=1)) for _ in range(2))
    run(team, made.id)
    with unit_of_work(acting_for(team)) as session:
        move = Move(acting_for(team), clock.now(), "no")
        off = registry.call_off(session, move, NAME, ALIAS, read("sched", waiting.id))
        with pytest.raises(registry.ScheduleEnded):
            registry.call_off(session, move, NAME, ALIAS, read("sched", made.id))
    assert off.state == "cancelled"
    assert run(team, waiting.id).state == "cancelled"


def test_nothing_is_scheduled_for_the_past_or_for_a_version_that_is_not_there(team: TeamFacts) -> None:
    with pytest.raises(registry.StartsInThePast):
        ask(team, 1, clock.now() - timedelta(seconds=1))
    with pytest.raises(registry.VersionNotFound):
        ask(team, 9, clock.now() + timedelta(hours=1))
