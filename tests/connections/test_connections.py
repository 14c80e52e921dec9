"""Provider accounts: who gets which, and who may open its key."""

from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service import connections, tenants
from service.cli.local import PROVIDER_KEY, LocalStack
from service.connections.errors import BadBaseUrl, ConnectionTaken
from service.connections.rules import is_base_url
from service.connections.schemas import KeyReplace, WebhookSecretSet
from service.kit.db import read_only, unit_of_work
from service.kit.identity import AUTH, CLI, RESOLVER, SYSTEM, WORKER, Actor, DbRole
from service.kit.ids import new_id, show
from service.kit.sealing import SealingError
from service.provider.shapes import Credentials
from service.tenants import TeamCreate
from tests.tenants.factories import a_team, acting_for

pytestmark = pytest.mark.usefixtures("database")

URL = "https://api.example.com/v1"


def a_connection(name: str | None = None, *, key: str = "sk-secret-of-one", **changes: object) -> UUID:
    facts = {"kind": connections.Kind.OPENAI, "provider": "openai", "base_url": URL, **changes}
    with unit_of_work(CLI) as session:
        made = connections.create(
            session, CLI, name=name or uuid4().hex, api_key=SecretStr(key), **facts  # type: ignore[arg-type]
        )  # fmt: skip
    return made.id


def opened(connection_id: UUID, actor: Actor = WORKER) -> Credentials:
    with read_only(actor) as session:
        return connections.credentials(session, connection_id)


def administer(database: LocalStack, statement: str, *values: object) -> list[tuple[object, ...]]:
    url = database.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        done = connection.execute(statement, values)
        return done.fetchall() if done.description else []


def test_a_team_uses_the_default_account_unless_it_has_its_own() -> None:
    own, slug = a_connection(), f"t-{uuid4().hex[:20]}"
    with unit_of_work(CLI) as session:
        tenants.create_team(session, CLI, TeamCreate(slug=slug, name="Own account"), connection_id=own)
        choosy, plain = tenants.find_team(session, slug), a_team()
    with read_only(acting_for(choosy)) as session:
        assert connections.of_team(session, choosy).id == own
    with read_only(acting_for(plain)) as session:
        assert connections.of_team(session, plain) == connections.default(session)
        assert connections.of_team(session, plain).provider == "emulator"


def test_a_key_comes_out_as_it_went_in_and_shows_in_no_repr() -> None:
    made = opened(a_connection(key="sk-proj-123", organisation="org-1", project="proj-1"))
    assert made.api_key == "sk-proj-123"
    assert (made.base_url, made.organisation, made.project) == (URL, "org-1", "proj-1")
    assert "sk-proj-123" not in repr(made)


def test_a_key_moved_to_another_account_does_not_open(database: LocalStack) -> None:
    one, other = a_connection(key="sk-one"), a_connection(key="sk-other")
    administer(
        database,
        "UPDATE connections SET sealed_key = (SELECT sealed_key FROM connections WHERE id = %s) WHERE id = %s",
        one, other,
    )  # fmt: skip
    assert opened(one).api_key == "sk-one"
    with pytest.raises(SealingError):
        opened(other)


def test_neither_the_row_nor_the_audit_holds_the_key(database: LocalStack) -> None:
    made = a_connection(key="sk-canary-connection")
    (row,) = administer(database, "SELECT connections::text, sealed_key FROM connections WHERE id = %s", made)
    assert "sk-canary" not in str(row[0])
    assert isinstance(row[1], bytes)
    assert b"sk-canary" not in row[1]
    (entry,) = administer(
        database, "SELECT audit_entries::text FROM audit_entries WHERE object_id = %s", show("conn", made)
    )
    assert "connection.created" in str(entry[0])
    assert "sk-canary" not in str(entry[0])


@pytest.mark.parametrize(
    ("may", "actor"),
    [
        (False, lambda: acting_for(a_team())),
        (False, lambda: Actor(db_role=DbRole.FINANCE, name="finance")),
        (False, lambda: AUTH),
        (False, lambda: RESOLVER),
        (True, lambda: WORKER),
        (True, lambda: SYSTEM),
    ],
)
def test_only_workers_and_operators_may_even_read_a_sealed_key(may: bool, actor: Callable[[], Actor]) -> None:
    made = a_connection()
    if may:
        assert opened(made, actor()).base_url == URL
    else:
        with pytest.raises(ProgrammingError, match="permission denied"):
            opened(made, actor())


@pytest.mark.parametrize(
    "column",
    ["sealed_key", "sealed_webhook_secret", "base_url", "organisation", "project", "requests_per_minute"],
)
def test_a_team_knows_an_accounts_name_and_why_it_waits_and_no_more(column: str) -> None:
    with read_only(acting_for(a_team())) as session:
        assert session.execute(
            text("SELECT id, name, kind, provider, is_default, paused_reason FROM connections")
        ).all()
    with pytest.raises(ProgrammingError, match="permission denied"), read_only(acting_for(a_team())) as session:
        session.execute(text("SELECT " + column + " FROM connections"))  # noqa: S608 - the columns above


def test_a_name_is_taken_once_and_there_is_one_default() -> None:
    name = uuid4().hex
    a_connection(name)
    with pytest.raises(ConnectionTaken):
        a_connection(name)
    with pytest.raises(ConnectionTaken):
        a_connection(is_default=True)


def test_an_exposed_key_is_replaced_where_it_lies() -> None:
    name = uuid4().hex
    made = a_connection(name, key="sk-exposed")
    with unit_of_work(CLI) as session:
        connections.replace_key(session, CLI, name, SecretStr("sk-fresh"))
    assert opened(made).api_key == "sk-fresh"


def test_an_account_is_found_by_its_shown_id_only() -> None:
    made = a_connection()
    with read_only(CLI) as session:
        assert connections.find(session, show("conn", made)).id == made
        for asked in ("", str(made), show("team", made), show("conn", new_id())):
            with pytest.raises(connections.ConnectionNotFound) as unknown:
                connections.find(session, asked)
            assert unknown.value.pointer == "#/connection"


def test_unknown_accounts_open_nothing_and_are_not_rekeyed() -> None:
    with pytest.raises(connections.ConnectionNotFound):
        opened(new_id())
    with pytest.raises(connections.ConnectionNotFound), unit_of_work(CLI) as session:
        connections.replace_key(session, CLI, "no such", SecretStr("sk-x"))


def test_the_default_account_opens_for_a_worker() -> None:
    with read_only(WORKER) as session:
        default = connections.default(session)
    assert default is not None
    assert opened(default.id).api_key == PROVIDER_KEY


@pytest.mark.parametrize(
    "address",
    ["https://api.openai.com/v1", "http://127.0.0.1:8080/v1", "http://[::1]:9/v1", "https://x.openai.azure.com"],
)
def test_an_address_of_a_provider(address: str) -> None:
    assert is_base_url(address)


@pytest.mark.parametrize(
    "address",
    ["", "api.openai.com", "ftp://x/v1", "file:///etc/passwd", "https://user:pw@host/v1", "https://host/v1?x=1",
     "https://host/v1#x", "https://host/a b", "https://", "https://host/v1\n",
     "https://a:b:c/v1", "https://host:99999/v1", "https://[::::/v1", "https://[1::2::3]/v1", "https://host/v1\x7f"],
)  # fmt: skip
def test_no_address_of_a_provider(address: str) -> None:
    assert not is_base_url(address)
    with pytest.raises(BadBaseUrl):
        a_connection(base_url=address)


@pytest.mark.parametrize("key", ["sk-ключ", "sk-a b", "sk-a\nb", "sk-\u2011a"])
def test_no_key_that_cannot_be_sent_in_a_header(key: str) -> None:
    with pytest.raises(ValidationError, match="printable ASCII"):
        KeyReplace.model_validate({"api_key": key})


def test_no_webhook_secret_that_signs_nothing() -> None:
    with pytest.raises(ValidationError, match="anybody could sign"):
        WebhookSecretSet.model_validate({"secret": "whsec_"})
