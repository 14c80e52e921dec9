from datetime import timedelta

import pytest
from sqlalchemy import text

from service import registry
from service.cli.local import LocalStack
from service.kit.db import unit_of_work
from service.kit.settings import settings
from service.registry import flows
from service.registry.models import ModelVersion
from service.registry.rules import REFUSALS_MAX
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.stack import Emulator
from tests.tenants.factories import a_team

BASE = "gpt-4o-mini-2024-07-18"  # the emulator answers for base models too


@pytest.fixture(scope="module")
def emulator(quiet: LocalStack) -> Emulator:
    """Where no worker asks but the tests."""
    quiet.start_emulator(speed=200)
    return Emulator(quiet.emulator_url)


@pytest.fixture
def team(emulator: Emulator) -> TeamFacts:
    return a_team()


@pytest.fixture
def refusing(emulator: Emulator) -> None:
    emulator.fault(kind="status", path="/chat/completions", status=401, times=None)


def version_of(team: TeamFacts) -> ModelVersion:
    with unit_of_work(acting_for(team)) as session:
        return session.query(ModelVersion).filter_by(team_id=team.id).one()


def age(team: TeamFacts, *, attempts: int | None = None) -> None:
    """Make the row due now, as if the pause were over."""
    with unit_of_work(acting_for(team)) as session:
        session.execute(
            text("UPDATE model_versions SET due_at = now(), attempts = coalesce(:n, attempts) WHERE team_id = :team"),
            {"team": team.id, "n": attempts},
        )


def test_a_model_that_answers_becomes_ready(team: TeamFacts) -> None:
    flows.probe([a_version(team, model=BASE, ready=False).id])
    row = version_of(team)
    assert (row.state, row.lease_until, row.attention) == ("ready", None, None)
    assert row.ready_at is not None
    assert row.due_at is not None, "it is asked again, some hours later"
    assert timedelta(hours=5) < row.due_at - row.ready_at < timedelta(hours=7)


def served_by(team: TeamFacts, alias: str) -> int:
    with unit_of_work(acting_for(team)) as session:
        (found,) = registry.find_model(session, team.id, "support-bot").aliases
    assert found.alias == alias
    return found.version


def test_an_alias_asked_for_with_the_job_moves_once_the_model_answers_but_never_back(team: TeamFacts) -> None:
    first, second = (a_version(team, model=BASE, ready=False, promote_to="staging").id for _ in range(2))
    flows.probe([second])
    assert served_by(team, "staging") == 2
    flows.probe([first])
    assert served_by(team, "staging") == 2
    third = a_version(team, model=BASE, ready=False, promote_to="staging").id
    assert served_by(team, "staging") == 2, "it does not answer yet"
    flows.probe([third])
    assert served_by(team, "staging") == 3


def test_a_model_that_does_not_answer_yet_is_asked_again_after_a_growing_pause(
    team: TeamFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that reading the row late makes no difference.
    monkeypatch.setattr(flows, "settings", lambda: settings().model_copy(update={"probe_seconds": 20.0}))
    version = a_version(team, model="ft:gpt-4o-mini-2024-07-18:nobody::none", ready=False)
    pauses = []
    for _ in range(3):
        age(team)
        flows.probe([version.id])
        with unit_of_work(acting_for(team)) as session:
            pauses.append(
                session.scalar(
                    text("SELECT extract(epoch FROM due_at - now())::float FROM model_versions WHERE team_id = :team"),
                    {"team": team.id},
                )
            )
    assert version_of(team).state == "loading"
    first, second, third = pauses
    assert 10 < first <= 20
    assert 30 < second <= 40
    assert 70 < third <= 80


@pytest.mark.usefixtures("refusing")
def test_a_model_that_is_refused_for_long_asks_for_a_person(team: TeamFacts) -> None:
    version = a_version(team, model=BASE, ready=False)
    flows.probe([version.id])
    assert version_of(team).attention is None
    age(team, attempts=REFUSALS_MAX - 1)
    flows.probe([version.id])
    row = version_of(team)
    assert row.state == "loading"
    assert "refuses" in (row.attention or "")


def test_a_version_somebody_else_is_probing_is_left_alone(team: TeamFacts) -> None:
    version = a_version(team, model=BASE, ready=False)
    with unit_of_work(acting_for(team)) as session:
        session.execute(
            text("UPDATE model_versions SET lease_until = now() + interval '1 hour' WHERE team_id = :team"),
            {"team": team.id},
        )
    flows.probe([version.id])
    assert version_of(team).state == "loading"
