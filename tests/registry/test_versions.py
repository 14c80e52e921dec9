from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service import connections, registry
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import WORKER
from service.kit.ids import new_id
from service.registry.rules import PROBE_PAUSE_SECONDS_MAX, check_name, probe_pause_seconds
from tests.registry.factories import a_dataset, a_version, acting_for
from tests.tenants.factories import a_team

pytestmark = pytest.mark.usefixtures("database")


def test_versions_are_numbered_within_their_model() -> None:
    team = a_team()
    assert [a_version(team).number, a_version(team).number, a_version(team, "other").number] == [1, 2, 1]


def test_numbers_have_no_gap_and_no_double_when_jobs_end_together() -> None:
    team = a_team()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: a_version(team), range(16)))
    assert sorted(version.number for version in made) == list(range(1, 17))
    assert len({version.model_id for version in made}) == 1


def test_one_job_makes_one_version_however_often_it_is_recorded() -> None:
    team, job = a_team(), new_id()
    assert a_version(team, job=job) == a_version(team, job=job)


def test_the_same_name_in_another_team_is_another_model() -> None:
    one, other = a_team(), a_team()
    assert a_version(one).model_id != a_version(other).model_id
    a_version(one, "only-ones")
    with read_only(acting_for(other)) as session, pytest.raises(registry.ModelNotFound):
        registry.find_model(session, other.id, "only-ones")


def test_a_new_version_is_loading_and_due() -> None:
    team = a_team()
    version = a_version(team, ready=False)
    with unit_of_work(acting_for(team)) as session:
        row = session.execute(
            text("SELECT state, due_at <= clock_timestamp() AS due FROM model_versions WHERE id = :id"),
            {"id": version.id},
        ).one()
    assert (row.state, row.due) == ("loading", True)


def test_a_model_shows_its_versions_newest_first_and_its_aliases_by_name() -> None:
    team = a_team()
    a_version(team, model="ft:one")
    a_version(team, model="ft:two")
    with unit_of_work(acting_for(team)) as session:
        for alias in ("staging", "production"):
            registry.promote(session, acting_for(team), "support-bot", alias, version=1, reason=None, at=clock.now())
    with read_only(acting_for(team)) as session:
        view = registry.find_model(session, team.id, "support-bot")
        page = registry.list_models(session, team.id, registry.Search(), after=None, limit=10)
    assert [version.model for version in view.versions] == ["ft:two", "ft:one"]
    assert [alias.alias for alias in view.aliases] == ["production", "staging"]
    assert page.data == [view]  # the same entity has the same fields everywhere


@pytest.mark.parametrize("name", ["", "-x", ".x", "Support", "a b", "a/b", "x" * 64, "naïve", "a\n"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(registry.BadName):
        check_name(name, pointer="#/register/name")


@pytest.mark.parametrize("name", ["a", "0", "support-bot", "gpt-4.1_v2", "x" * 63])
def test_what_can_be_a_name(name: str) -> None:
    check_name(name, pointer="#/register/name")


def test_pauses_between_probes_double_up_to_five_minutes() -> None:
    pauses = [probe_pause_seconds(attempts, first=5) for attempts in range(1, 9)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    assert probe_pause_seconds(10_000, first=5) == PROBE_PAUSE_SECONDS_MAX


def test_a_dataset_of_another_team_cannot_be_named_as_origin() -> None:
    team, other = a_team(), a_team()
    foreign = a_dataset(other)
    with unit_of_work(WORKER) as session:
        connection = connections.default(session)
    assert connection is not None
    with pytest.raises(IntegrityError), unit_of_work(acting_for(team)) as session:
        registry.register(
            session, acting_for(team), team_id=team.id, name="stolen", job_id=new_id(), provider_model_id="ft:x",
            base_model="base", connection_id=connection.id, dataset_id=foreign, shutdown_date=None,
        )  # fmt: skip
