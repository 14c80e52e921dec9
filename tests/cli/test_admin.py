"""`tuneplane admin`: from an empty database to a working key, and what it says when something is missing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import update

from service import connections, tenants
from service.cli import main
from service.cli.local import LocalStack
from service.jobs.models import Job
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import AUTH, CLI, WORKER, Actor
from service.kit.ids import read
from service.kit.settings import settings
from service.provider.shapes import Credentials
from service.tenants.errors import KeyRevoked
from tests.jobs.factories import Desk, training_costs
from tests.stack import conversations, in_this_process

PROVIDER_KEY = "sk-canary-admin-cli"


@dataclass
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Admin = Callable[..., Done]


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Admin:
    """Run `tuneplane admin …` in this process, with further settings by their names in lower case."""

    def run(*arguments: str, **variables: str) -> Done:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["tuneplane", "admin", *arguments])
            for name, value in variables.items():
                patch.setenv(f"TUNEPLANE_{name.upper()}", value)
            settings.cache_clear()
            with pytest.raises(SystemExit) as end:
                main()
        settings.cache_clear()
        said = capsys.readouterr()
        assert PROVIDER_KEY not in said.out + said.err
        if isinstance(end.value.code, str):  # which the interpreter prints on its way out
            return Done(1, said.out, said.err + end.value.code)
        return Done(int(end.value.code or 0), said.out, said.err)

    return run


def create_database(stack: LocalStack, template: str) -> dict[str, str]:
    """The settings for a database of one's own."""
    name = f"t_admin_{uuid4().hex[:12]}"
    with psycopg.connect(stack.postgres.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return stack.environment | {
        "TUNEPLANE_DATABASE_URL": stack.postgres.url(name, user="tp_app").replace("tp_app@", "tp_app:s3cret@"),
        "TUNEPLANE_ADMIN_DATABASE_URL": stack.postgres.url(name),
    }


@pytest.fixture
def migrated(database: LocalStack) -> Iterator[None]:
    """This process on a database that is migrated and otherwise empty."""
    with in_this_process(create_database(database, "tp_template")):
        yield


def who(key: str) -> Actor:
    with unit_of_work(AUTH) as session:
        return tenants.authenticate(session, key, clock.now())


def default_account() -> tuple[connections.ConnectionFacts, Credentials]:
    with read_only(WORKER) as session:
        made = connections.default(session)
        assert made is not None
        return made, connections.credentials(session, made.id)


def test_two_who_migrate_an_empty_database_at_once_both_find_it_done(database: LocalStack) -> None:
    environment = create_database(database, "template1")
    command = [sys.executable, "-m", "service.cli", "admin", "migrate"]
    racers = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for racer in racers:
        _, said = racer.communicate(timeout=100)
        assert (racer.returncode, said) == (0, "The database is up to date.\n")
    with psycopg.connect(environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")) as connection:
        prices = connection.execute("SELECT count(*) FROM prices").fetchone()
        password = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'tp_app'").fetchone()
    assert prices is not None
    assert prices[0] > 0
    assert password is not None
    assert password[0].startswith("SCRAM-SHA-256$")


@pytest.mark.usefixtures("migrated")
def test_bootstrap_makes_a_connection_and_a_key_once(admin: Admin, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{PROVIDER_KEY}\n")
    to_emulator = ("--kind", "compatible", "--base-url", "http://127.0.0.1:1/v1", "--provider", "emulator")
    first = admin("bootstrap", *to_emulator, "--connection-name", "lab", "--api-key-file", str(file))
    assert first.code == 0, first.err
    assert who(first.out.strip()).role == "operator"
    made, opened = default_account()
    assert (made.name, made.kind, made.provider) == ("lab", "compatible", "emulator")
    assert opened.api_key == PROVIDER_KEY

    again = admin("bootstrap", provider_api_key="sk-another")
    assert (again.code, again.out) == (0, "")
    assert "lab" in again.err
    assert default_account()[1].api_key == PROVIDER_KEY

    another = admin("bootstrap", "--new-key")
    assert who(another.out.strip()).key_id != who(first.out.strip()).key_id


@pytest.mark.usefixtures("migrated")
def test_the_providers_key_comes_from_the_environment_or_nothing_is_made(admin: Admin) -> None:
    without = admin("bootstrap")
    assert without.code == 2
    assert "TUNEPLANE_PROVIDER_API_KEY" in without.err
    with read_only(CLI) as session:
        assert connections.default(session) is None
        assert not tenants.has_operator(session, clock.now())
    assert admin("bootstrap", provider_api_key=PROVIDER_KEY).code == 0
    assert default_account()[1].api_key == PROVIDER_KEY


@pytest.mark.usefixtures("migrated")
def test_an_exposed_key_of_the_provider_is_replaced(admin: Admin) -> None:
    admin("bootstrap", provider_api_key=PROVIDER_KEY)
    assert admin("replace-provider-key", provider_api_key="sk-fresh").code == 0
    assert default_account()[1].api_key == "sk-fresh"


@pytest.mark.usefixtures("migrated")
def test_an_account_is_paused_and_resumed_without_an_api(admin: Admin) -> None:
    assert admin("bootstrap", provider_api_key=PROVIDER_KEY).code == 0
    assert "well" in admin("list-connections").out
    assert admin("pause-connection", "default", "--reason", "a new invoice").code == 0
    listed = admin("list-connections").out
    assert "default\thttps://api.openai.com/v1\tpaused: a new invoice" in listed
    assert admin("resume-connection", listed.split()[0]).code == 0
    assert "paused" not in admin("list-connections").out
    unknown = admin("pause-connection", "nobodys", "--reason", "x")
    assert (unknown.code, "no connection 'nobodys'" in unknown.err) == (1, True)


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize("command", ["resume-connection default", "replace-provider-key"])
def test_jobs_that_waited_for_an_account_are_tried_at_once(admin: Admin, command: str) -> None:
    to_emulator = ("--kind", "compatible", "--base-url", "http://127.0.0.1:1/v1", "--provider", "emulator")
    assert admin("bootstrap", *to_emulator, provider_api_key=PROVIDER_KEY).code == 0
    training_costs("3")
    desk = Desk()
    job = desk.submit(desk.shelf.checked(conversations()))
    with unit_of_work(WORKER) as session:
        later = clock.now() + timedelta(minutes=5)
        session.execute(update(Job).where(Job.id == job.id).values(slot_at=clock.now(), due_at=later))
    assert admin(*command.split(), provider_api_key="sk-fresh").code == 0
    due_at = desk.row(job).due_at
    assert due_at is not None
    assert due_at <= clock.now()


@pytest.mark.usefixtures("migrated")
def test_a_key_of_finance_is_made_and_revoked(admin: Admin) -> None:
    made = admin("create-key", "--role", "finance", "--name", "month end", "--expires-in-days", "30")
    actor = who(made.out.strip())
    assert (actor.role, actor.team_id) == ("finance", None)
    revoked = admin("revoke-key", actor.name)
    assert revoked.code == 0
    assert "month end" in revoked.err
    with pytest.raises(KeyRevoked):
        who(made.out.strip())


@pytest.mark.usefixtures("migrated")
def test_a_teams_key_is_revoked_by_naming_its_team(admin: Admin) -> None:
    with unit_of_work(CLI) as session:
        team = tenants.create_team(session, CLI, tenants.TeamCreate(slug="keepers", name="Keepers"))
        key, plaintext = tenants.create_key(
            session, CLI, team_id=read("team", team.id), role=tenants.Role.MEMBER, name="leaked", at=clock.now()
        )
    refused = admin("revoke-key", key.id)
    assert (refused.code, refused.err) == (1, f"tuneplane: There is no API key '{key.id}'.")
    assert admin("revoke-key", key.id, "--team", "keepers").code == 0
    with pytest.raises(KeyRevoked):
        who(plaintext)


@pytest.mark.usefixtures("migrated")
def test_a_wrong_master_key_is_said_in_one_sentence_and_nothing_is_made(admin: Admin) -> None:
    done = admin("bootstrap", provider_api_key=PROVIDER_KEY, master_key="c2hvcnQ=")
    assert (done.code, done.err) == (1, "tuneplane: TUNEPLANE_MASTER_KEY must be 32 bytes in base64; it has 5")
    with read_only(CLI) as session:
        assert connections.default(session) is None


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("wrong", ["create-key --role admin --name x", "create-key", "frobnicate"])
def test_what_cannot_be_understood_ends_with_2(admin: Admin, wrong: str) -> None:
    assert admin(*wrong.split()).code == 2


@pytest.mark.usefixtures("database")
def test_migrating_without_an_administrator_says_what_is_missing(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNEPLANE_ADMIN_DATABASE_URL")
    done = admin("migrate")
    assert done.code == 2
    assert "TUNEPLANE_ADMIN_DATABASE_URL" in done.err


def test_the_emulator_takes_the_place_of_the_command() -> None:
    command = [sys.executable, "-m", "service.cli", "emulator", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "--speed" in done.stdout
