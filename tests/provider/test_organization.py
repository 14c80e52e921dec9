"""What an organisation's pages tell, read to the digit; and what is made of pages that are none."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from service.kit import circuit
from service.kit.db import read_only
from service.kit.identity import WORKER
from service.kit.ids import new_id
from service.provider.errors import AccountRefused, NotThere, Unknown
from service.provider.openai import gateway
from service.provider.shapes import Credentials, RemoteCost, RemoteUsage
from tests.emulator.test_permissions import admin_of
from tests.emulator.world import Emulator, Project
from tests.provider.answering import Answering, refusal

pytestmark = pytest.mark.usefixtures("database")  # where accounts have their circuits

DAY = date(2026, 11, 18)
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp()
TUNED = "ft:gpt-4o-mini-2024-07-18:acme::abcdefgh"


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def project(running_emulator: Emulator) -> Iterator[Project]:
    project = running_emulator.new_project()
    yield project
    project.close()


@pytest.fixture
def answering() -> Iterator[Answering]:
    with Answering() as answering:
        yield answering


@pytest.fixture
def admin(running_emulator: Emulator) -> Credentials:
    somebody = admin_of(running_emulator)
    somebody.close()
    return Credentials("openai", f"{running_emulator.url}/v1", somebody.key, account=new_id())


def test_usage_comes_by_key_model_and_tier(running_emulator: Emulator, project: Project, admin: Credentials) -> None:
    used: dict[str, Any] = {"project": project.name, "model": TUNED, "at": NOON}
    running_emulator.tell("/usage", **used, api_key="key_a", input_tokens=10, cached_input_tokens=4, output_tokens=7)
    running_emulator.tell("/usage", **used, api_key="key_a", batch=True, input_tokens=3, requests=2)
    told = gateway.daily_usage(admin, since=DAY, until=DAY + timedelta(days=1), projects=[project.name])
    assert told == [
        RemoteUsage(DAY, project.name, "key_a", TUNED, "standard", 10, 4, 7, 1),
        RemoteUsage(DAY, project.name, "key_a", TUNED, "batch", 3, 0, 0, 2),
    ]


def test_costs_come_by_line_and_over_many_pages(
    running_emulator: Emulator, project: Project, admin: Credentials
) -> None:
    for days in (0, 200, 399):
        running_emulator.tell(
            "/discrepancies", kind="extra", line_item="attic", project=project.name, amount="0.0123456789",
            quantity="7", at=NOON - days * 86_400,
        )  # fmt: skip
    since = DAY - timedelta(days=399)
    told = gateway.daily_costs(admin, since=since, until=DAY + timedelta(days=1), projects=[project.name])
    assert told == [
        RemoteCost(since + timedelta(days=days), project.name, None, "attic", Decimal("0.0123456789"), "USD",
                   Decimal(7), "tokens")
        for days in (0, 199, 399)
    ]  # fmt: skip


def test_no_other_key_reads_them_and_that_is_no_matter_of_the_accounts_own(
    running_emulator: Emulator, project: Project
) -> None:
    account = Credentials("openai", f"{running_emulator.url}/v1", project.key, account=new_id())
    with pytest.raises(AccountRefused):
        gateway.daily_costs(account, since=DAY, until=DAY)
    with read_only(WORKER) as session:
        assert not circuit.openings(session, like=f"{account.account}:%")


def page(**result: Any) -> dict[str, Any]:
    return {"object": "page", "data": [{"start_time": int(NOON), "results": [result]}], "has_more": False}


def test_an_amount_is_the_text_it_was_written_as(answering: Answering) -> None:
    written = '{"data": [{"start_time": 0, "results": [{"amount": {"value": %s, "currency": "usd"}}]}]}'
    for value in ("0.1000000000000000055511151231257827", "1E-8", "12", '"0.30"'):
        answering.answer = 200, {}, (written % value).encode()
        (line,) = gateway.daily_costs(account_at(answering), since=DAY, until=DAY)
        assert line.amount == Decimal(value.strip('"'))
        assert line == RemoteCost(date(1970, 1, 1), None, None, "", line.amount, "USD", None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", {}, [], {"data": 7}, {"data": [{}]}, {"data": [{"start_time": "soon", "results": []}]},
        page(), page(amount=None), page(amount={"value": "NaN", "currency": "usd"}),
        page(amount={"value": "free", "currency": "usd"}), page(amount={"value": 1e300, "currency": "usd"}),
        {"data": [], "has_more": True, "next_page": "round"},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_bill(answering: Answering, body: Any) -> None:
    answering.answer = 200, {}, body
    with pytest.raises(Unknown):
        gateway.daily_costs(account_at(answering), since=DAY, until=DAY)


@pytest.mark.parametrize("tokens", [-1, "many", 10**30])
def test_what_cannot_be_counted_is_no_usage(answering: Answering, tokens: Any) -> None:
    answering.answer = 200, {}, page(model="m", input_tokens=tokens, output_tokens=0, num_model_requests=0)
    with pytest.raises(Unknown):
        gateway.daily_usage(account_at(answering), since=DAY, until=DAY)


def test_a_server_without_such_pages_says_so(answering: Answering) -> None:
    answering.answer = 404, {}, refusal("Not Found")
    with pytest.raises(NotThere):
        gateway.daily_usage(account_at(answering), since=DAY, until=DAY)


def account_at(answering: Answering) -> Credentials:
    return answering.account(kind="compatible", api_key="sk-admin-1")
