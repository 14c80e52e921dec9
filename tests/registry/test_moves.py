"""Splits, roll back, protection and conditions: what a move does, and when it is refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

from service import registry
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.registry import AliasView, Move, Protection, Share
from service.registry.commands import keep_promise
from service.registry.models import ModelVersion
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.tenants.factories import a_team

pytestmark = pytest.mark.usefixtures("database")
NAME, ALIAS = "support-bot", "production"


@pytest.fixture
def team() -> TeamFacts:
    made = a_team()
    for _ in range(3):
        a_version(made)
    return made


def move_by(
    team: TeamFacts, role: str = "member", *, reason: str | None = "because", expected: int | None = None
) -> Move:
    return Move(replace(acting_for(team), role=role), clock.now(), reason, expected)


def serve(team: TeamFacts, *shares: tuple[int, int], move: Move | None = None) -> AliasView:
    with unit_of_work(acting_for(team)) as session:
        wanted = [Share(version=version, weight=weight) for version, weight in shares]
        return registry.split(session, move or move_by(team), NAME, ALIAS, wanted)


def back(team: TeamFacts, version: int | None = None) -> AliasView:
    with unit_of_work(acting_for(team)) as session:
        return registry.roll_back(session, move_by(team), NAME, ALIAS, version=version)


def protect(team: TeamFacts, protection: Protection, role: str = "admin") -> AliasView:
    with unit_of_work(acting_for(team)) as session:
        return registry.protect(session, move_by(team, role), NAME, ALIAS, protection)


def told(team: TeamFacts) -> list[tuple[int, str, list[tuple[int, int]]]]:
    with read_only(acting_for(team)) as session:
        page = registry.moves(session, team.id, NAME, ALIAS, at=None, after=None, limit=100)
    return [(one.revision, one.action, [(t.version, t.weight) for t in one.targets]) for one in page.data]


def judge(team: TeamFacts, number: int, verdict: str) -> None:
    with unit_of_work(acting_for(team)) as session:
        session.execute(
            text("UPDATE model_versions SET verdict = :verdict WHERE team_id = :team AND number = :number"),
            {"verdict": verdict, "team": team.id, "number": number},
        )


def test_a_split_is_ramped_and_stopped_and_all_of_it_is_history(team: TeamFacts) -> None:
    serve(team, (1, 10_000))
    view = serve(team, (1, 9_500), (2, 500))
    assert (view.version, view.previous_version, view.revision) == (1, 1, 2)
    assert serve(team, (2, 9_000), (1, 1_000)).version == 2, "the largest is the main one"
    with unit_of_work(acting_for(team)) as session:
        stopped = registry.stop(session, move_by(team), NAME, ALIAS)
    assert [(one.version, one.weight) for one in stopped.targets] == [(1, 10_000)]
    assert told(team) == [
        (4, "stop", [(1, 10_000)]), (3, "canary", [(2, 9_000), (1, 1_000)]), (2, "canary", [(1, 9_500), (2, 500)]),
        (1, "promote", [(1, 10_000)]),
    ]  # fmt: skip


def test_stopping_or_repeating_what_is_served_is_no_move(team: TeamFacts) -> None:
    serve(team, (1, 5_000), (2, 5_000))
    assert serve(team, (2, 5_000), (1, 5_000)).revision == 1
    serve(team, (3, 10_000))
    with unit_of_work(acting_for(team)) as session:
        assert registry.stop(session, move_by(team), NAME, ALIAS).revision == 2


def test_rolling_back_goes_to_what_last_had_everything_or_to_a_named_version(team: TeamFacts) -> None:
    serve(team, (1, 10_000))
    with pytest.raises(registry.NothingBefore):
        back(team)
    serve(team, (2, 10_000)), serve(team, (2, 3_000), (3, 7_000))
    assert back(team).version == 2
    assert back(team).version == 1
    assert back(team, 3).version == 3
    assert back(team).version == 1


@pytest.mark.parametrize("shares", [[(1, 9_999)], [(1, 5_000), (1, 5_000)], [(1, 10_000), (2, 1)]])
def test_shares_name_each_version_once_and_come_to_the_whole(team: TeamFacts, shares: list[tuple[int, int]]) -> None:
    with pytest.raises(registry.BadShares):
        serve(team, *shares)


def test_a_removed_alias_is_not_found_and_its_history_goes_on_when_it_is_made_anew(team: TeamFacts) -> None:
    serve(team, (1, 10_000))
    with unit_of_work(acting_for(team)) as session:
        registry.remove(session, move_by(team), NAME, ALIAS)
    with read_only(acting_for(team)) as session, pytest.raises(registry.NothingServed):
        registry.find_alias(session, team.id, NAME, ALIAS)
    with pytest.raises(registry.NothingServed):
        back(team)
    assert serve(team, (1, 10_000)).revision == 3
    assert [action for _, action, _ in told(team)] == ["promote", "remove", "promote"]


def test_a_protected_alias_takes_the_role_and_a_reason(team: TeamFacts) -> None:
    serve(team, (1, 10_000))
    with pytest.raises(registry.AliasProtected):
        protect(team, Protection(role="operator"))
    assert protect(team, Protection(role="admin")).revision == 2
    with pytest.raises(registry.AliasProtected, match="keys of the role admin only; this one is a member's"):
        serve(team, (2, 10_000))
    with pytest.raises(registry.AliasProtected):
        protect(team, Protection(), role="member")
    with pytest.raises(registry.ReasonRequired):
        serve(team, (2, 10_000), move=move_by(team, "admin", reason=None))
    assert serve(team, (2, 10_000), move=move_by(team, "operator")).version == 2


def test_a_gated_alias_takes_what_passed_and_goes_back_to_what_served_unless_that_failed(team: TeamFacts) -> None:
    serve(team, (1, 10_000))
    protect(team, Protection(required_verdict=True))
    with pytest.raises(registry.VerdictRequired, match="version 2 has the verdict: none"):
        serve(team, (2, 10_000))
    with pytest.raises(registry.VerdictRequired):
        back(team, 2)
    judge(team, 2, "passed")
    assert serve(team, (2, 10_000)).version == 2
    assert back(team).version == 1
    judge(team, 2, "failed")
    with pytest.raises(registry.VerdictRequired):
        back(team)


def test_a_promise_made_with_a_job_does_not_get_past_protection(team: TeamFacts) -> None:
    serve(team, (1, 10_000))
    protect(team, Protection(role="admin"))
    promised = a_version(team, promote_to=ALIAS)
    with unit_of_work(acting_for(team)) as session:
        keep_promise(session, session.get_one(ModelVersion, promised.id), clock.now())
    with read_only(acting_for(team)) as session:
        assert registry.find_alias(session, team.id, NAME, ALIAS).version == 1


def test_of_two_promotions_of_the_same_revision_one_wins_and_one_is_refused(team: TeamFacts) -> None:
    seen = serve(team, (1, 10_000)).revision
    together = Barrier(2)

    def attempt(number: int) -> str:
        together.wait()
        try:
            return str(serve(team, (number, 10_000), move=move_by(team, expected=seen)).revision)
        except registry.AliasMoved as error:
            return str(error.status)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, [2, 3])) == ["2", "412"]
    assert len(told(team)) == 2


def test_the_history_never_runs_backwards_whatever_clocks_say(team: TeamFacts) -> None:
    now = clock.now()
    serve(team, (1, 10_000), move=Move(acting_for(team), now))
    late = serve(team, (2, 10_000), move=Move(acting_for(team), now - timedelta(minutes=5)))
    assert late.moved_at == now
    with read_only(acting_for(team)) as session:
        (at,) = registry.moves(session, team.id, NAME, ALIAS, at=now, after=None, limit=1).data
        assert at.revision == 2
        with pytest.raises(registry.NothingServed):
            registry.moves(session, team.id, NAME, ALIAS, at=now - timedelta(seconds=1), after=None, limit=1)
