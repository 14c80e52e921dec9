"""Teams, and what Postgres itself keeps apart whatever the code above forgets."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from service import tenants
from service.kit.db import read_only, unit_of_work
from service.kit.identity import AUTH, CLI, RESOLVER, WORKER, Actor, DbRole
from service.kit.ids import new_id, show
from service.tenants import Role
from service.tenants.errors import SlugTaken, TeamNotFound, UnknownTimeZone
from tests.tenants.factories import NOBODY, a_key, a_team, acting_for

pytestmark = pytest.mark.usefixtures("database")

FINANCE = Actor(db_role=DbRole.FINANCE, name="finance")


def refused(actor: Actor, statement: str, **values: object) -> str:
    """What Postgres says to this statement, which it must refuse."""
    with pytest.raises(ProgrammingError) as error, unit_of_work(actor) as session:
        session.execute(text(statement), values)
    return str(error.value.orig)


def test_a_team_is_found_by_slug_and_by_id() -> None:
    team = a_team(name="Lighthouse", cost_center="CC-1", time_zone="Europe/Berlin")
    assert (team.name, team.cost_center, team.time_zone, team.connection_id) == (
        "Lighthouse", "CC-1", "Europe/Berlin", None,
    )  # fmt: skip
    with read_only(CLI) as session:
        assert tenants.find_team(session, show("team", team.id)) == team
        assert tenants.team(session, team.id) == team
        assert tenants.show_team(session, team.slug).id == show("team", team.id)


@pytest.mark.parametrize(
    "asked",
    ["", "no-such", "team_", "team_01k8z0q3v6fq0r2m9t6c4x5y7z", "key_01k8z0q3v6fq0r2m9t6c4x5y7z", "a\x00b", "É"],
)
def test_what_is_no_team_is_not_found(asked: str) -> None:
    with read_only(CLI) as session, pytest.raises(TeamNotFound):
        tenants.find_team(session, asked)


def test_within_one_team_no_other_is_found() -> None:
    mine, other = a_team(), a_team()
    with read_only(CLI) as session:
        assert tenants.find_team(session, mine.slug, within=mine.id) == mine
        with pytest.raises(TeamNotFound):
            tenants.find_team(session, other.slug, within=mine.id)


def test_a_taken_slug_is_refused_and_changes_nothing() -> None:
    team = a_team(name="First")
    with pytest.raises(SlugTaken) as taken:
        a_team(slug=team.slug, name="Second")
    assert (taken.value.pointer, taken.value.code) == ("#/slug", "slug_taken")
    with read_only(CLI) as session:
        assert tenants.find_team(session, team.slug).name == "First"


def test_of_many_who_want_a_slug_at_once_one_gets_it() -> None:
    slug, start = f"t-{uuid4().hex[:20]}", Barrier(8)

    def found() -> bool:
        start.wait()
        try:
            a_team(slug=slug)
        except SlugTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: found(), range(8))) == 1


@pytest.mark.parametrize("zone", ["Mars/Olympus", "europe/berlin", "../../etc/passwd", "UTC+1", ""])
def test_an_unknown_time_zone_is_blamed_on_its_field(zone: str) -> None:
    with pytest.raises(UnknownTimeZone) as unknown:
        a_team(time_zone=zone)
    assert unknown.value.pointer == "#/time_zone"


def test_teams_are_paged_newest_first() -> None:
    older, newer = a_team(), a_team()
    with read_only(CLI) as session:
        page = tenants.list_teams(session, after=None, limit=2)
    assert [team.slug for team in page.data] == [newer.slug, older.slug]
    assert page.has_more or page.data[-1].slug == older.slug


def test_a_teams_role_sees_its_own_rows_only() -> None:
    mine, other = a_team(), a_team()
    a_key(mine, Role.MEMBER), a_key(other, Role.MEMBER), a_key(None, Role.FINANCE)
    with read_only(acting_for(mine)) as session:
        assert session.scalars(text("SELECT slug FROM teams")).all() == [mine.slug]
        assert session.scalars(text("SELECT DISTINCT team_id FROM api_keys")).all() == [mine.id]


def test_a_teams_role_without_a_team_sees_nothing() -> None:
    a_key(a_team(), Role.MEMBER)
    a_key(None, Role.FINANCE)
    with read_only(NOBODY) as session:
        assert session.scalar(text("SELECT count(*) FROM teams")) == 0
        assert session.scalar(text("SELECT count(*) FROM api_keys")) == 0


def test_the_login_itself_sees_nothing() -> None:
    def bare(session: Session) -> None:
        session.execute(text("RESET ROLE"))
        session.execute(text("SELECT count(*) FROM teams"))

    with pytest.raises(ProgrammingError, match="permission denied"), unit_of_work(CLI) as session:
        bare(session)


_NEW_KEY = (
    "INSERT INTO api_keys (id, team_id, key_id, environment, digest, last4, name, role, created_by) "
    "VALUES (:id, :team, :key_id, 'x', '', '0000', 'x', :role, 'x')"
)


def test_a_teams_role_makes_no_key_for_others_nor_for_the_platform() -> None:
    mine, other = a_team(), a_team()
    for team, role in ((other.id, "member"), (None, "operator"), (None, "finance")):
        said = refused(acting_for(mine), _NEW_KEY, id=new_id(), key_id=uuid4().hex[:10], team=team, role=role)
        assert "row-level security" in said


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_keys SET role = 'admin'",
        "UPDATE api_keys SET team_id = NULL",
        "UPDATE api_keys SET digest = ''",
        "UPDATE api_keys SET expires_at = NULL",
        "UPDATE api_keys SET last_used_at = NULL",
        "DELETE FROM api_keys",
    ],
)
def test_a_teams_role_cannot_raise_move_or_forge_a_key(change: str) -> None:
    team = a_team()
    a_key(team, Role.VIEWER)
    assert "permission denied" in refused(acting_for(team), change)


def test_revoking_reaches_only_ones_own_keys() -> None:
    mine, other = a_team(), a_team()
    a_key(other, Role.MEMBER)
    with unit_of_work(acting_for(mine)) as session:
        hit: Any = session.execute(text("UPDATE api_keys SET revoked_at = now()"))
        assert hit.rowcount == 0


@pytest.mark.parametrize(
    "change", ["INSERT INTO teams DEFAULT VALUES", "UPDATE teams SET name = 'x'", "DELETE FROM teams"]
)
def test_nobody_but_an_operator_changes_teams(change: str) -> None:
    for actor in (acting_for(a_team()), FINANCE, WORKER, AUTH, RESOLVER):
        assert "permission denied" in refused(actor, change)


@pytest.mark.parametrize(
    ("may", "actor"),
    [
        (False, lambda: acting_for(a_team())),
        (False, lambda: CLI),
        (False, lambda: FINANCE),
        (False, lambda: WORKER),
        (True, lambda: AUTH),
        (True, lambda: RESOLVER),
    ],
)
def test_only_those_who_compare_digests_may_read_them(may: bool, actor: Callable[[], Actor]) -> None:
    a_key(a_team(), Role.MEMBER)
    if may:
        with read_only(actor()) as session:
            assert session.scalars(text("SELECT digest FROM api_keys")).first()
    else:
        assert "permission denied" in refused(actor(), "SELECT digest FROM api_keys")
