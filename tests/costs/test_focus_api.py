"""FOCUS over HTTP and on the command line: files, their metadata, and who may have them."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from service import costs, tenants
from service.cli import costs as command
from service.kit.db import read_only, unit_of_work
from tests.costs import focus_world
from tests.costs.books import AFTER, FINANCE, month
from tests.costs.focus_world import World
from tests.costs.test_adjusting import adjust
from tests.stack import Client, Platform
from tests.tenants.factories import a_key

PATH = "/v1/costs/focus"


@pytest.fixture(scope="module")
def finance(own: Platform) -> Client:
    _, key = a_key(None, tenants.Role.FINANCE)
    return Client(own.stack.api_url, key)


@pytest.fixture(scope="module")
def world(own: Platform) -> World:
    return focus_world.a_world()


def kept(number: int) -> list[dict[str, Any]]:
    return [one for one in focus_world.entries() if one["posted_on"].month == number]


def test_finance_downloads_a_month_with_a_pointer_to_its_schema(finance: Client, world: World) -> None:
    answer = finance.get(f"{PATH}/cost-and-usage?period=2026-11")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="focus-cost-and-usage-2026-11.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == sum(one["amount"] for one in kept(11))
    where = answer.headers["link"].partition("<")[2].partition(">")[0]
    metadata = finance.get(where).json()
    schemas = {one["SchemaId"]: one for one in metadata["Schemas"]}
    schema = schemas[answer.headers["x-focus-schema-id"]]
    assert [one["ColumnName"] for one in schema["ColumnDefinition"]] == list(rows[0])


def test_duckdb_sums_the_parquet_to_the_last_digit(finance: Client, world: World, tmp_path: Path) -> None:
    file = tmp_path / "october.parquet"
    file.write_bytes(finance.get(f"{PATH}/cost-and-usage?period=2026-10&format=parquet").content)
    read = duckdb.read_parquet(str(file))
    assert read.aggregate("sum(BilledCost), count(*)").fetchall() == [
        (sum(one["amount"] for one in kept(10)), len(kept(10)))
    ]


def test_billing_periods_of_one_month_or_of_all(finance: Client, world: World) -> None:
    everything = list(csv.DictReader(io.StringIO(finance.get(f"{PATH}/billing-periods").text)))
    assert [row["BillingPeriodStatus"] for row in everything] == ["Closed", "Open"]
    one = finance.get(f"{PATH}/billing-periods?period=2026-10").text
    assert list(csv.DictReader(io.StringIO(one))) == everything[:1]


def test_a_month_without_entries_is_a_header(finance: Client) -> None:
    text = finance.get(f"{PATH}/cost-and-usage?period=2020-01").text
    assert (text.count("\r\n"), text.split(",")[0]) == (1, "BilledCost")


def test_older_tools_get_the_columns_of_their_version(finance: Client, world: World) -> None:
    header = finance.get(f"{PATH}/cost-and-usage?period=2026-11&focus_version=1.2").text.splitlines()[0].split(",")
    assert "ProviderName" in header
    assert "ServiceProviderName" not in header
    assert len(finance.get(f"{PATH}/metadata?focus_version=1.2").json()["Schemas"]) == 1


@pytest.mark.parametrize(
    "query", ["period=2026-13", "period=x", "focus_version=1.1", "format=xlsx", "period=2026-11&format=json"]
)
def test_what_cannot_be_exported_is_refused(finance: Client, query: str) -> None:
    assert finance.get(f"{PATH}/cost-and-usage?{query}").status_code == 422


def test_teams_do_not_export_everybodys_costs(own: Platform) -> None:
    answer = own.team().admin.get(f"{PATH}/cost-and-usage")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_pages_fit_together_and_what_is_booked_meanwhile_is_not_in_them(world: World) -> None:
    with unit_of_work(FINANCE) as session:
        begun = costs.focus.begin(session, month("2026-11"), "1.4")
    before, rows, after = kept(11), list[list[Any]](), None
    adjust(None, "1", reason="booked while it is exported", at=AFTER)
    while True:
        with read_only(FINANCE) as session:
            page = costs.focus.page(session, begun, after, limit=3)
        rows += page.rows
        if (after := page.after) is None:
            break
    assert [row[0] for row in rows] == [one["amount"] for one in before]


def test_the_command_line_writes_a_file_and_its_metadata_beside_it(
    finance: Client, world: World, tmp_path: Path
) -> None:
    out = tmp_path / "october.csv"
    ran = CliRunner().invoke(command.app, ["export", str(out), "--month", "2026-10"])
    assert ran.exit_code == 0, ran.output
    assert out.read_bytes() == finance.get(f"{PATH}/cost-and-usage?period=2026-10").content
    assert json.loads((tmp_path / "october.csv.metadata.json").read_text()) == finance.get(f"{PATH}/metadata").json()
    periods = tmp_path / "periods.parquet"
    arguments = ["export", str(periods), "--dataset", "billing-periods", "--format", "parquet"]
    assert CliRunner().invoke(command.app, arguments).exit_code == 0
    assert duckdb.read_parquet(str(periods)).aggregate("count(*)").fetchall() == [(2,)]
    assert CliRunner().invoke(command.app, ["export", str(out)]).exit_code == 2
