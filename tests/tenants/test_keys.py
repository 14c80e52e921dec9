"""API keys: what is stored, who is let in, and what a refusal gives away."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service import tenants
from service.cli.local import LocalStack
from service.kit import clock
from service.kit.db import direct_connection, read_only, unit_of_work
from service.kit.errors import TuneplaneError, Unauthenticated
from service.kit.identity import AUTH, CLI, RESOLVER, Actor, DbRole
from service.kit.ids import new_id, read, show
from service.kit.settings import settings
from service.tenants import SCOPES, InvalidKey, KeyView, Role
from service.tenants.errors import (
    ExpiryInThePast,
    KeyExpired,
    KeyNotFound,
    KeyRevoked,
    PepperMissing,
    RoleMismatch,
)
from service.tenants.rules import assemble_key
from tests.tenants.factories import a_key, a_team

pytestmark = pytest.mark.usefixtures("database")

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)


def authenticate(key: str | None, at: datetime = T0) -> Actor:
    with unit_of_work(AUTH) as session:
        return tenants.authenticate(session, key, at)


def refusal(key: str | None, at: datetime = T0) -> TuneplaneError:
    with pytest.raises(Unauthenticated) as refused:
        authenticate(key, at)
    return refused.value


def an_expiring_key(expires_at: datetime) -> tuple[KeyView, str]:
    team = a_team()
    with unit_of_work(CLI) as session:
        return tenants.create_key(
            session, CLI, team_id=team.id, role=Role.MEMBER, name="test", at=T0, expires_at=expires_at
        )


def revoke(key: KeyView, at: datetime = T0) -> KeyView:
    team_id = read("team", key.team) if key.team else None
    with unit_of_work(CLI) as session:
        return tenants.revoke_key(session, CLI, read("key", key.id), team_id=team_id, at=at)


def last_used(key: KeyView) -> datetime | None:
    with read_only(CLI) as session:
        team_id = read("team", key.team) if key.team else None
        return tenants.list_keys(session, team_id, after=None, limit=1).data[0].last_used_at


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.RESOLVER])
def test_a_teams_key_acts_for_its_team_in_its_role(role: Role) -> None:
    team = a_team()
    key, plaintext = a_key(team, role)
    assert authenticate(plaintext) == Actor(
        db_role=DbRole.TEAM,
        name=key.id,
        team_id=team.id,
        key_id=read("key", key.id),
        role=role.value,
        scopes=SCOPES[role],
    )


@pytest.mark.parametrize(("role", "db_role"), [(Role.OPERATOR, DbRole.OPERATOR), (Role.FINANCE, DbRole.FINANCE)])
def test_a_platform_key_acts_for_no_team(role: Role, db_role: DbRole) -> None:
    _, plaintext = a_key(None, role)
    actor = authenticate(plaintext)
    assert (actor.db_role, actor.team_id, actor.scopes) == (db_role, None, SCOPES[role])


def test_of_the_secret_only_its_hmac_is_stored(database: LocalStack) -> None:
    key, plaintext = a_key(a_team(), Role.MEMBER)
    secret = plaintext.split("_")[3]
    url = database.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT digest, api_keys::text FROM api_keys WHERE id = %s", [read("key", key.id)]
        ).fetchone()
        audited = connection.execute("SELECT string_agg(after::text, '') FROM audit_entries").fetchone()
    assert row is not None
    assert audited is not None
    pepper = settings().key_pepper.get_secret_value().encode()
    assert row[0] == hmac.new(pepper, secret.encode(), hashlib.sha256).digest()
    assert secret not in row[1]
    assert secret not in audited[0]


def test_a_list_shows_how_a_key_begins_and_ends_and_no_more() -> None:
    team = a_team()
    _, plaintext = a_key(team, Role.MEMBER)
    with read_only(CLI) as session:
        (listed,) = tenants.list_keys(session, team.id, after=None, limit=20).data
    assert plaintext.startswith(listed.prefix + "_")
    assert plaintext.endswith(listed.last4)
    assert plaintext.split("_")[3] not in listed.model_dump_json()


@pytest.mark.parametrize("key", [None, "", "tp_", "sk-abc", assemble_key("test", "a" * 10, "b" * 43)[:-1] + "!"])
def test_a_key_with_a_wrong_checksum_is_refused_without_a_look_at_the_database(key: str | None) -> None:
    with Session() as bound_to_nothing, pytest.raises(InvalidKey):
        tenants.authenticate(bound_to_nothing, key, T0)


def test_every_refusal_of_an_unproven_key_is_the_same() -> None:
    live, plaintext = a_key(a_team(), Role.MEMBER)
    revoked, _ = a_key(a_team(), Role.MEMBER)
    revoke(revoked)
    expired, _ = an_expiring_key(T0 + timedelta(seconds=1))
    guesses = [
        None,
        "garbage",
        plaintext[:-1],
        assemble_key("test", "n0such1key", "x" * 43),
        *(assemble_key("test", key.prefix.split("_")[2], "x" * 43) for key in (live, revoked, expired)),
    ]
    refusals = [refusal(guess, T0 + timedelta(days=1)) for guess in guesses]
    assert {(type(one), one.message, one.code, str(one.facts)) for one in refusals} == {
        (InvalidKey, refusals[0].message, "invalid_api_key", "{}")
    }


def test_a_key_expires_at_its_instant_and_says_so_to_its_holder() -> None:
    _, plaintext = an_expiring_key(T0 + timedelta(hours=1))
    assert authenticate(plaintext, T0 + timedelta(hours=1, microseconds=-1)).role == "member"
    refused = refusal(plaintext, T0 + timedelta(hours=1))
    assert isinstance(refused, KeyExpired)
    assert "2026-11-20T13:00:00+00:00" in refused.message


def test_a_revoked_key_is_refused_from_the_next_request_on() -> None:
    key, plaintext = a_key(a_team(), Role.MEMBER)
    authenticate(plaintext)
    revoke(key)
    assert isinstance(refusal(plaintext), KeyRevoked)


def test_revoking_again_changes_nothing() -> None:
    key, _ = a_key(a_team(), Role.MEMBER)
    first = revoke(key, T0)
    assert revoke(key, T0 + timedelta(days=1)) == first
    assert first.revoked_at == T0
    with read_only(CLI) as session:
        entries = session.scalar(
            text("SELECT count(*) FROM audit_entries WHERE action = 'key.revoked' AND object_id = :key"),
            {"key": key.id},
        )
    assert entries == 1


def test_a_key_is_not_found_in_another_team() -> None:
    key, _ = a_key(a_team(), Role.MEMBER)
    for team_id in (a_team().id, None, new_id()):
        with unit_of_work(CLI) as session, pytest.raises(KeyNotFound):
            tenants.revoke_key(session, CLI, read("key", key.id), team_id=team_id, at=T0)


def test_use_is_noted_at_most_once_a_minute() -> None:
    key, plaintext = a_key(a_team(), Role.MEMBER)
    assert last_used(key) is None
    noted = []
    for seconds in (0, 30, 59, 60, 119):
        authenticate(plaintext, T0 + timedelta(seconds=seconds))
        noted.append(last_used(key))
    assert noted == [T0, T0, T0, T0 + timedelta(seconds=60), T0 + timedelta(seconds=60)]


def test_a_request_does_not_wait_for_another_that_is_noting_the_use() -> None:
    key, plaintext = a_key(a_team(), Role.MEMBER)
    with unit_of_work(AUTH) as slow:
        tenants.authenticate(slow, plaintext, T0)
        authenticate(plaintext, T0 + timedelta(seconds=1))  # lock_timeout would end a wait with an error
    assert last_used(key) == T0


@pytest.mark.parametrize("role", list(Role))
def test_a_role_goes_with_a_team_or_with_the_platform_never_both(role: Role) -> None:
    of_platform = role in (Role.OPERATOR, Role.FINANCE)
    wrong_team = a_team().id if of_platform else None
    with unit_of_work(CLI) as session, pytest.raises(RoleMismatch) as refused:
        tenants.create_key(session, CLI, team_id=wrong_team, role=role, name="test", at=T0)
    assert refused.value.pointer == "#/role"


def test_a_key_that_never_worked_is_not_made() -> None:
    with pytest.raises(ExpiryInThePast):
        an_expiring_key(T0)


def test_without_a_pepper_no_key_is_made_or_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    _, plaintext = a_key(a_team(), Role.MEMBER)
    monkeypatch.setenv("TUNEPLANE_KEY_PEPPER", "")
    settings.cache_clear()
    try:
        with pytest.raises(PepperMissing):
            authenticate(plaintext)
        with pytest.raises(PepperMissing):
            a_key(None, Role.FINANCE)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_those_who_answer_from_memory_are_told_of_every_change_but_not_of_use() -> None:
    with direct_connection() as listener:
        listener.execute("LISTEN resolve_changed")
        team = a_team()
        key, plaintext = a_key(team, Role.RESOLVER)
        revoke(key)
        heard = list(listener.notifies(timeout=5, stop_after=3))
        assert len(heard) == 3
        _, plaintext = a_key(team, Role.RESOLVER)
        assert len(list(listener.notifies(timeout=5, stop_after=1))) == 1
        authenticate(plaintext)
        assert not list(listener.notifies(timeout=0.2))


def test_what_resolvers_keep_is_enough_to_check_a_key_without_a_database() -> None:
    team = a_team()
    key, plaintext = a_key(team, Role.RESOLVER)
    expiring, _ = an_expiring_key(T0 + timedelta(hours=1))
    gone, _ = a_key(team, Role.RESOLVER)
    revoke(gone)
    with read_only(RESOLVER) as session:
        kept = {record.key_id: record for record in tenants.keys_for_resolving(session)}
    key_id, secret = tenants.parse_key(plaintext) or ("", "")
    assert kept[key_id].digest == tenants.digest(secret)
    assert (kept[key_id].team_id, kept[key_id].role, kept[key_id].expires_at) == (team.id, Role.RESOLVER, None)
    assert kept[expiring.prefix.split("_")[2]].expires_at == T0 + timedelta(hours=1)
    assert gone.prefix.split("_")[2] not in kept
    assert key.prefix.split("_")[2] == key_id


def test_a_page_of_keys_is_newest_first_and_goes_on_where_it_ended() -> None:
    team = a_team()
    made = [a_key(team, Role.MEMBER)[0].id for _ in range(5)]
    with read_only(CLI) as session:
        first = tenants.list_keys(session, team.id, after=None, limit=2)
        second = tenants.list_keys(session, team.id, after=read("key", first.last_id or ""), limit=10)
    assert [key.id for key in (*first.data, *second.data)] == made[::-1]
    assert (first.has_more, second.has_more) == (True, False)


def test_a_key_can_ask_who_it_is() -> None:
    team = a_team(name="Asking")
    key, plaintext = a_key(team, Role.VIEWER)
    actor = authenticate(plaintext, clock.now())
    with read_only(AUTH) as session:
        me = tenants.me(session, actor)
    assert (me.key, me.role, me.expires_at) == (key.id, "viewer", None)
    assert me.scopes == sorted(SCOPES[Role.VIEWER])
    assert me.team is not None
    assert (me.team.id, me.team.slug, me.team.name) == (show("team", team.id), team.slug, "Asking")


def test_an_actor_without_a_key_is_nobody() -> None:
    with read_only(AUTH) as session, pytest.raises(KeyNotFound):
        tenants.me(session, CLI)
