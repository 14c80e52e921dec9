"""Down from a report to what was booked: lists, files of any length, and everything that explains one entry."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pandas as pd
import pytest
from python_calamine import CalamineWorkbook

from service import costs
from service.costs.reports import entries
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from tests.costs.booking import book
from tests.costs.factories import a_price, ledger, spend
from tests.costs.test_api import facts
from tests.quotas.factories import AT
from tests.stack import Platform, Team
from tests.tenants.factories import acting_for

DAY: Final = datetime(2031, 6, 10, tzinfo=UTC)
PATH: Final = "/v1/costs/entries?period=2031-06"


@pytest.fixture
def spender(make_team: Callable[..., Team]) -> Team:
    """A team with five entries of June 2031, the last first in any list."""
    team = make_team()
    for number in range(5):
        spend(facts(team), (number + 1) * 100_000, at=DAY + timedelta(days=number // 2), model=f"ft:{number}")
    return team


def quantities(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [entry["quantity"] for entry in answer.json()["data"]]


def test_entries_are_listed_newest_first_page_by_page(spender: Team) -> None:
    client, seen, after = spender.viewer, list[int](), ""
    while True:
        page = client.get(f"{PATH}&limit=2{after}")
        seen += quantities(page)
        if not page.json()["has_more"]:
            break
        after = f"&after={page.json()['last_id']}"
    assert seen == [500_000, 400_000, 300_000, 200_000, 100_000]
    assert quantities(client.get(f"{PATH}&model=ft:1&model=ft:3")) == [400_000, 200_000]
    assert quantities(client.get("/v1/costs/entries?start=2031-06-11&end=2031-06-12")) == [400_000, 300_000]
    assert quantities(client.get(f"{PATH}&as_of=2026-01-01T00:00:00Z")) == []


def test_a_cell_is_explained_down_to_price_job_and_corrections(spender: Team) -> None:
    (listed,) = spender.viewer.get(f"{PATH}&model=ft:0").json()["data"]
    entry_id = ids.read("entry", listed["id"])
    with unit_of_work(acting_for(facts(spender))) as session:
        wanted = costs.Adjustment(
            amount=Decimal("-0.1"), reason="a credit note", ext_ref=f"t:{entry_id}", corrects=entry_id
        )
        correction = costs.adjust(session, CLI, facts(spender), wanted, at=DAY + timedelta(days=9))
    told = spender.viewer.get(f"/v1/costs/entries/{listed['id']}").json()
    assert told | listed == told
    assert (told["amount"], told["unit_price"], told["price_row"]["amount"]) == ("0.30", "3.00", "3.00")
    assert told["price_row"]["id"] == told["price"]
    assert told["provider_job_id"].startswith("ftjob-")
    assert told["job"].startswith("job_")
    assert [one["id"] for one in told["corrections"]] == [correction.id]
    corrected = spender.viewer.get(f"/v1/costs/entries/{correction.id}").json()
    assert corrected["corrected_entry"]["id"] == listed["id"]
    assert (corrected["reason"], corrected["amount"], corrected["kind"]) == ("a credit note", "-0.10", "adjustment")


def test_an_entry_of_another_team_is_not_there(spender: Team, team: Team) -> None:
    (listed,) = spender.viewer.get(f"{PATH}&model=ft:0").json()["data"]
    for path in (f"/v1/costs/entries/{listed['id']}", f"{PATH}&after={listed['id']}"):
        answer = team.viewer.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "ledger_entry_not_found"), answer.text
    assert team.viewer.get("/v1/costs/entries/entry_x").status_code == 404
    assert quantities(team.viewer.get(f"{PATH}&team={spender.slug}")) == []


def test_files_have_every_entry_and_agree_with_the_ledger(spender: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    csv_rows = list(csv.DictReader(io.StringIO(spender.viewer.get(f"{PATH}&format=csv").text)))
    parquet = pd.read_parquet(io.BytesIO(spender.viewer.get(f"{PATH}&format=parquet").content))
    book_file = CalamineWorkbook.from_filelike(io.BytesIO(spender.viewer.get(f"{PATH}&format=xlsx").content))
    header, *sheet = book_file.get_sheet_by_index(0).to_python()
    assert [*csv_rows[0]] == [*parquet.columns] == header == [column.name for column in costs.reports.ENTRY_COLUMNS]
    booked = [entry["amount"] for entry in reversed(ledger(facts(spender)))]
    assert [Decimal(row["amount"]) for row in csv_rows] == list(parquet["amount"]) == booked
    assert [row[header.index("amount")] for row in sheet] == [float(amount) for amount in booked]
    assert [row["id"] for row in csv_rows] == list(parquet["id"])
    assert parquet["charged_at"].dt.tz is not None


def test_a_long_file_is_read_in_short_units_and_has_each_entry_once(
    platform: Platform, make_team: Callable[..., Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    team, price = facts(make_team()), a_price()
    for number in range(7):
        book(team, price, charged_at=DAY + timedelta(hours=number * 9), quantity=number)
    monkeypatch.setattr(entries, "BATCH", 3)
    asked = costs.reports.AskedEntries(span=costs.reports.span("2031-06", None, None, at=AT), team_id=team.id)
    seen, place = list[Any](), None
    for _ in range(3):
        with read_only(acting_for(team)) as session:
            rows, place = costs.reports.entry_rows(session, asked, after=place)
        seen += [row[18] for row in rows]
        book(team, price, charged_at=DAY + timedelta(days=20), quantity=99)  # newer than where we are
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    assert place is None


def test_a_file_that_cannot_be_begun_is_a_problem_and_no_file(team: Team) -> None:
    answer = team.viewer.get("/v1/costs/entries?period=2031-13&format=parquet")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
