"""Prices are added, one by one or by the file, and what was in force is never altered."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest

from service import catalog, tenants
from service.kit import ids
from service.kit.db import read_only
from service.kit.identity import CLI
from tests.stack import Client, Platform, Team
from tests.tenants.factories import a_key

PATH = "/v1/prices"
MODEL = "gpt-4.1-nano-2025-04-14"
ROW = {"provider": "openai", "model": MODEL, "meter": "training_tokens", "amount": "1.25", "list_amount": "1.5"}
HEADER = "provider,model,meter,tier,amount,list_amount,currency,unit_quantity,effective_from"


@pytest.fixture(scope="module")
def finance(own: Platform) -> Client:
    _, key = a_key(None, tenants.Role.FINANCE)
    return Client(own.stack.api_url, key)


@pytest.fixture(scope="module")
def reader(own: Platform) -> Team:
    return own.team()


_days = iter(range(1, 10_000))


def to_come() -> str:
    """An instant in the future that nobody else uses."""
    return f"{datetime(2090, 1, 1, tzinfo=UTC) + timedelta(days=next(_days)):%Y-%m-%dT%H:%M:%SZ}"


def prices(client: Client, query: str = "") -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = client.get(f"{PATH}?{query}").json()["data"]
    return data


def upload(client: Client, text: str | bytes, query: str = "") -> Any:
    content = text.encode() if isinstance(text, str) else text
    return client.post(f"{PATH}/import{query}", content=content, headers={"Content-Type": "text/csv"})


def test_a_price_is_in_force_from_its_instant_and_ends_the_one_before(finance: Client, reader: Team) -> None:
    start = to_come()
    made = finance.post(PATH, ROW | {"effective_from": start})
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["amount"], body["list_amount"], body["tier"], body["unit_quantity"]) == (
        "1.25", "1.50", "standard", 1_000_000,
    )  # fmt: skip
    assert (body["effective_from"], body["created_by"][:4]) == (start, "key_")
    only = f"provider=openai&model={MODEL}&meter=training_tokens"
    (now,) = prices(reader.viewer, only)
    (then,) = prices(reader.viewer, f"{only}&at={start}")
    assert (now["amount"], now["effective_until"], then["id"]) == ("1.50", start, body["id"])
    assert [one["id"] for one in prices(reader.viewer, f"{only}&history=true")] == [then["id"], now["id"]]


def test_the_same_again_changes_nothing_and_another_amount_is_refused(finance: Client) -> None:
    body = ROW | {"effective_from": to_come()}
    first, again = finance.post(PATH, body), finance.post(PATH, body | {"amount": "1.250", "tier": "standard"})
    assert first.json() == again.json()
    other = finance.post(PATH, body | {"amount": "1.26"})
    assert (other.status_code, other.json()["code"]) == (409, "price_taken")


def test_a_tier_has_prices_of_its_own(finance: Client, reader: Team) -> None:
    start = to_come()
    made = finance.post(PATH, ROW | {"tier": "batch", "amount": "0.1", "effective_from": start}).json()
    found = prices(reader.viewer, f"model={MODEL}&provider=openai&meter=training_tokens&at={start}")
    assert {one["tier"] for one in found} == {"batch", "standard"}
    assert prices(reader.viewer, f"tier=batch&at={start}") == [made]


def test_a_price_in_the_past_is_refused_unless_nothing_was_in_force(finance: Client, own: Platform) -> None:
    past = ROW | {"effective_from": "2026-01-01T00:00:00Z"}
    refused = finance.post(PATH, past)
    assert (refused.status_code, refused.json()["code"]) == (409, "price_in_the_past")
    fresh = finance.post(PATH, past | {"meter": "hosting_hours"})
    assert (fresh.status_code, fresh.json()["unit_quantity"]) == (201, 1)
    earlier = finance.post(PATH, past | {"meter": "hosting_hours", "effective_from": "2025-06-01T00:00:00Z"})
    assert earlier.status_code == 201  # nothing was in force then
    between = finance.post(PATH, past | {"meter": "hosting_hours", "effective_from": "2025-09-01T00:00:00Z"})
    assert between.json()["code"] == "price_in_the_past"
    with read_only(CLI) as session:
        price = catalog.price(session, "openai", MODEL, "hosting_hours", datetime(2025, 12, 31, tzinfo=UTC))
    assert ids.show("price", price.id) == earlier.json()["id"]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"amount": "-1"}, "#/amount", None), ({"amount": 1}, "#/amount", None), ({"amount": "1e3"}, "#/amount", None),
        ({"meter": "seats"}, "#/meter", "meter_unknown"), ({"currency": "EUR"}, "#/currency", "currency_unsupported"),
        ({"model": "gpt-4.1-nano"}, "#/model", "base_model_unknown"),
        ({"provider": "x"}, "#/model", "base_model_unknown"),
        ({"effective_from": "2090-01-01"}, "#/effective_from", None), ({"tier": "A B"}, "#/tier", None),
        ({"unit_quantity": 0}, "#/unit_quantity", None), ({"color": "red"}, "#/color", None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_price_is_named(
    finance: Client, change: dict[str, Any], pointer: str, code: str | None
) -> None:
    answer = finance.post(PATH, ROW | {"effective_from": "2089-01-01T00:00:00Z"} | change)
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body["errors"][0]["pointer"] == pointer
    assert code in (None, body["code"])


def test_an_alias_is_told_from_its_snapshot(finance: Client) -> None:
    answer = finance.post(PATH, ROW | {"model": "gpt-4.1-nano", "effective_from": to_come()})
    assert f"it is an alias of {MODEL}" in answer.json()["detail"]


def test_a_list_is_imported_as_a_whole_and_may_come_again(finance: Client, reader: Team) -> None:
    start = to_come()
    lines = (
        HEADER,
        f"openai,{MODEL},input_tokens,,0.07,0.1,USD,,{start}",
        "",
        f"openai,{MODEL},output_tokens,,0.3,,,,{start}",
    )
    text = "\r\n".join(lines)
    counts = {"object": "price_import", "dry_run": False, "added": 2, "unchanged": 0}
    assert upload(finance, text, "?dry_run=true").json() == counts | {"dry_run": True}
    assert [one for one in prices(reader.viewer, "history=true") if one["effective_from"] == start] == []
    assert upload(finance, text).json() == counts
    assert upload(finance, text).json() == counts | {"added": 0, "unchanged": 2}
    found = prices(reader.viewer, f"provider=openai&model={MODEL}&at={start}")
    assert {one["meter"]: (one["amount"], one["list_amount"]) for one in found if one["effective_from"] == start} == {
        "input_tokens": ("0.07", "0.10"), "output_tokens": ("0.30", None),
    }  # fmt: skip


def test_every_bad_line_is_named_by_line_and_field_and_nothing_is_imported(finance: Client, reader: Team) -> None:
    start, before = to_come(), prices(reader.viewer, "history=true")
    good = f"openai,{MODEL},training_tokens,,9,,,,{start}"
    lines = [
        HEADER, good, f"openai,{MODEL},training_tokens,,x,,,,{start}", f"openai,nope,training_tokens,,1,,,,{start}",
        f"openai,{MODEL},training_tokens,,9,,,,{start}", f"openai,{MODEL},seats,,1,,,,never", "openai,too,short",
        f"openai,{MODEL},training_tokens,,1,,,,2026-02-02T00:00:00Z",
    ]  # fmt: skip
    answer = upload(finance, "\n".join(lines))
    assert (answer.status_code, answer.json()["code"]) == (422, "price_list_invalid")
    facts = answer.json()["facts"]
    assert [(one["line"], one["field"]) for one in facts["problems"]] == [
        (3, "amount"), (4, "model"), (5, "effective_from"), (6, "effective_from"), (7, "line"), (8, "effective_from"),
    ]  # fmt: skip
    assert (facts["count"], facts["line"]) == (6, 3)
    assert prices(reader.viewer, "history=true") == before


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "amount"), (b"provider,model\nx,y\n", "amount"), (b"\xff\xfe", "file"), (b'provider,"model', "file"),
        (HEADER.encode() + b",colour\n", "colour"), (HEADER.encode() + b",tier\n", "tier"),
        (HEADER.encode() + b'\na"b"c,"d"e\n', "file"), (HEADER.encode() + b"\nx\x00\n", "line"),
    ],
)  # fmt: skip
def test_what_is_no_price_list_is_refused(finance: Client, content: bytes, field: str) -> None:
    answer = upload(finance, content)
    assert answer.status_code == 422, answer.text
    if content:
        assert answer.json()["code"] == "price_list_invalid"
        assert answer.json()["facts"]["field"] == field


def test_what_is_exported_can_be_imported(finance: Client, reader: Team) -> None:
    answer = reader.viewer.get(f"{PATH}?history=true&format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="prices.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == HEADER.split(",")
    everything = prices(reader.viewer, "history=true")
    assert len(rows) == len(everything)
    assert [Decimal(row["amount"]) for row in rows] == [Decimal(one["amount"]) for one in everything]
    assert upload(finance, answer.text).json() == {
        "object": "price_import", "dry_run": False, "added": 0, "unchanged": len(rows),
    }  # fmt: skip


def test_of_many_who_set_a_price_for_one_instant_one_is_heard(finance: Client, reader: Team) -> None:
    start, gate = to_come(), Barrier(6)

    def tell(number: int) -> int:
        gate.wait()
        return finance.post(PATH, ROW | {"tier": "race", "amount": f"{number}", "effective_from": start}).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(tell, range(1, 7)))
    assert sorted(statuses) == [201, *[409] * 5]
    (kept,) = prices(reader.viewer, f"tier=race&at={start}")
    assert kept["amount"] == f"{statuses.index(201) + 1}.00"


def test_prices_are_paged_without_gap_or_repetition(reader: Team) -> None:
    everything, seen, after = prices(reader.viewer, "history=true"), list[dict[str, Any]](), ""
    while True:
        page = reader.viewer.get(f"{PATH}?history=true&limit=7{after}").json()
        seen += page["data"]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert seen == everything
    assert len(seen) > 14
    assert reader.viewer.get(f"{PATH}?after=price_01kagdwa5ye0h8m9c6j7t5a3xq").status_code == 404
    assert reader.viewer.get(f"{PATH}?after=nonsense").status_code == 404


def test_teams_read_prices_and_add_none(reader: Team) -> None:
    answer = reader.admin.post(PATH, ROW | {"effective_from": to_come()})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert upload(reader.admin, HEADER).json()["code"] == "scope_missing"
