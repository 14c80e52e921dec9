"""A model that answered once and does so no more: told, and if wanted, moved away from."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text

from service import registry
from service.cli.local import LocalStack
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.registry import AliasView, Move, Protection, flows
from service.registry.models import ModelVersion
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.stack import Emulator
from tests.tenants.factories import a_team

BASE = "gpt-4o-mini-2024-07-18"  # the emulator answers for base models too
VANISHED = "ft:gpt-4o-mini-2024-07-18:nobody::none"
NAME, ALIAS = "support-bot", "production"


@pytest.fixture(scope="module")
def emulator(quiet: LocalStack) -> Emulator:
    """Where no worker asks but the tests."""
    quiet.start_emulator(speed=200)
    return Emulator(quiet.emulator_url)


@pytest.fixture
def team(emulator: Emulator) -> Iterator[TeamFacts]:
    yield a_team()
    emulator.http.delete("/_emulator/faults")


def probe(team: TeamFacts, version: UUID, times: int = 1) -> str:
    """Ask as often as that, as if the pauses were over, and say what state it is in."""
    for _ in range(times):
        with unit_of_work(acting_for(team)) as session:
            session.execute(text("UPDATE model_versions SET due_at = now() WHERE id = :id"), {"id": version})
        flows.probe([version])
    with unit_of_work(acting_for(team)) as session:
        return session.get_one(ModelVersion, version).state


def promote(team: TeamFacts, version: int) -> AliasView:
    with unit_of_work(acting_for(team)) as session:
        return registry.promote(session, acting_for(team), NAME, ALIAS, version=version, reason="x", at=clock.now())


def let_it_move(team: TeamFacts) -> None:
    with unit_of_work(acting_for(team)) as session:
        registry.protect(session, Move(acting_for(team), clock.now()), NAME, ALIAS, Protection(on_unavailable="move"))


def served(team: TeamFacts) -> AliasView:
    with read_only(acting_for(team)) as session:
        return registry.find_alias(session, team.id, NAME, ALIAS)


def told(team: TeamFacts) -> list[str]:
    with unit_of_work(CLI) as session:
        found = session.execute(text("SELECT type FROM events WHERE team_id = :team ORDER BY id"), {"team": team.id})
        return [kind for (kind,) in found if kind in ("model.ready", "model.unavailable")]


def test_a_vanished_model_is_unavailable_after_three_answers_and_told_once(team: TeamFacts) -> None:
    version = a_version(team, model=VANISHED)
    promote(team, 1)
    assert probe(team, version.id, 2) == "ready"
    assert probe(team, version.id) == "unavailable"
    assert probe(team, version.id, 2) == "unavailable"
    assert told(team) == ["model.unavailable"]
    assert (served(team).version, served(team).fallen_back) == (1, False), "it was not set to move"
    a_version(team)
    promote(team, 2)
    with pytest.raises(registry.VersionNotReady, match="unavailable"):
        promote(team, 1)


def test_the_alias_moves_to_the_version_served_last_that_answers(team: TeamFacts) -> None:
    a_version(team, model=BASE), a_version(team, model=BASE, name="other")
    vanished = a_version(team, model=VANISHED)
    promote(team, 1), promote(team, 2)
    let_it_move(team)
    assert probe(team, vanished.id, 3) == "unavailable"
    view = served(team)
    assert (view.version, view.moved_by, view.reason) == (1, "worker", "version 2 does not answer any more")
    with read_only(acting_for(team)) as session:
        (last,) = registry.moves(session, team.id, NAME, ALIAS, at=None, after=None, limit=1).data
    assert (last.action, last.evidence) == ("fallback", {"unavailable": VANISHED})


def test_without_another_it_falls_back_until_somebody_moves_it(team: TeamFacts) -> None:
    vanished = a_version(team, model=VANISHED)
    promote(team, 1)
    let_it_move(team)
    probe(team, vanished.id, 3)
    assert (served(team).fallen_back, served(team).revision) == (True, 3)
    a_version(team, model=BASE)
    assert (promote(team, 2).fallen_back, served(team).revision) == (False, 4)


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 500}, {"status": 401}])
def test_what_says_nothing_of_the_model_does_not_make_it_unavailable(
    team: TeamFacts, emulator: Emulator, fault: dict[str, int]
) -> None:
    version = a_version(team, model=BASE)
    emulator.fault(kind="status", path="/chat/completions", times=None, **fault)
    assert probe(team, version.id, 4) == "ready"
    assert told(team) == []


def test_what_answers_again_is_ready_again(team: TeamFacts) -> None:
    version = a_version(team, model=BASE)
    with unit_of_work(acting_for(team)) as session:
        session.get_one(ModelVersion, version.id).state = registry.State.UNAVAILABLE
    assert probe(team, version.id) == "ready"
    assert told(team) == ["model.ready"]


def test_a_retired_version_is_never_served_or_asked_again_and_a_served_one_is_not_retired(team: TeamFacts) -> None:
    a_version(team), a_version(team)
    promote(team, 1)
    with unit_of_work(acting_for(team)) as session:
        actor = acting_for(team)
        with pytest.raises(registry.VersionServed):
            registry.retire(session, actor, NAME, 1, reason="old", at=clock.now())
        retired = registry.retire(session, actor, NAME, 2, reason="old", at=clock.now())
        assert registry.retire(session, actor, NAME, 2, reason="old", at=clock.now()) == retired
    assert retired.state == "retired"
    with pytest.raises(registry.VersionNotReady, match="retired"):
        promote(team, 2)


def test_a_verdict_is_attached_and_shown_and_the_latest_counts(team: TeamFacts) -> None:
    version = a_version(team)
    for verdict in ("failed", "passed"):
        with unit_of_work(acting_for(team)) as session:
            registry.attach_verdict(session, acting_for(team), version.id, verdict, {"score": 0.9}, at=clock.now())
    with read_only(acting_for(team)) as session:
        view = registry.numbered_version(session, team.id, NAME, 1)
    assert (view.verdict, view.verdict_evidence) == ("passed", {"score": 0.9})
