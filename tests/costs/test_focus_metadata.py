"""FOCUS beside its rows: versions, metadata, and the dataset of billing periods."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import pyarrow.parquet as pq
import pytest

from service import costs
from service.cli.local import LocalStack
from service.kit.db import read_only
from service.kit.tables import WRITERS
from tests.costs import focus_world
from tests.costs.books import FINANCE, close, reopen, wipe
from tests.costs.focus_world import World, export, from_parquet

Row = dict[str, Any]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def world(quiet: LocalStack) -> Iterator[World]:
    yield focus_world.a_world()
    wipe(quiet)


@pytest.fixture(scope="module")
def rows(world: World) -> list[Row]:
    return from_parquet("2026-10") + from_parquet("2026-11")


def test_older_versions_have_the_names_of_their_time(world: World) -> None:
    old, middle = from_parquet("2026-11", "1.2")[0], from_parquet("2026-11", "1.3")[0]
    assert {"ProviderName", "PublisherName"} <= old.keys()
    assert not {"ServiceProviderName", "HostProviderName", "InvoiceDetailId"} & old.keys()
    assert {"ProviderName", "PublisherName", "ServiceProviderName", "HostProviderName"} <= middle.keys()
    assert "InvoiceDetailId" not in middle
    assert old["BilledCost"] == middle["BilledCost"]


@pytest.mark.parametrize("version", get_args(costs.focus.Version))
def test_the_metadata_defines_every_column_in_order(world: World, version: Literal["1.2", "1.3", "1.4"]) -> None:
    told = costs.focus.metadata(version)
    schema = told["Schemas"][0]
    assert told["DataGenerator"] == "Tuneplane"
    assert (schema["FocusVersion"], schema["Dataset"]) == (version, "Cost and Usage")
    assert INSTANT.fullmatch(schema["CreationDate"])
    assert schema["SchemaId"] == costs.focus.schema_id("Cost and Usage", version)
    defined = {one["ColumnName"]: one for one in schema["ColumnDefinition"]}
    read = pq.read_table(io.BytesIO(export("2026-11", version=version))).schema
    assert list(defined) == read.names
    types = {"STRING": "string", "JSON": "string", "DATETIME": "timestamp[us, tz=UTC]"}
    for name, one in defined.items():
        if one["DataType"] == "DECIMAL":
            assert str(read.field(name).type) == f"decimal128({one['NumericPrecision']}, {one['NumberScale']})"
        else:
            assert str(read.field(name).type) == types[one["DataType"]]
    assert [name for name, one in defined.items() if one["DataType"] == "JSON"] == ["SkuPriceDetails", "Tags"]
    assert defined["Tags"]["ProviderTagPrefixes"] == []


def test_each_version_and_dataset_has_a_schema_of_its_own() -> None:
    found = {
        schema["SchemaId"]
        for version in get_args(costs.focus.Version)
        for schema in costs.focus.metadata(version)["Schemas"]
    }
    assert len(found) == 4


def periods() -> list[Row]:
    with read_only(FINANCE) as session:
        found = costs.focus.billing_periods(session, None)
    content = b"".join(WRITERS["parquet"](costs.focus.BILLING_PERIOD, [found]))
    read: list[Row] = pq.read_table(io.BytesIO(content)).to_pylist()
    return read


def test_billing_periods_join_on_their_start_and_issuer_and_are_never_null(rows: list[Row]) -> None:
    found = periods()
    assert list(found[0]) == [
        "BillingPeriodCreated", "BillingPeriodStart", "BillingPeriodEnd", "BillingPeriodLastUpdated",
        "BillingPeriodStatus", "InvoiceIssuerName",
    ]  # fmt: skip
    for row in found:
        assert None not in row.values()
        assert row["BillingPeriodCreated"] <= row["BillingPeriodLastUpdated"]
    keys = ("BillingPeriodStart", "InvoiceIssuerName")
    joined = [tuple(row[key] for key in keys) for row in found]
    assert len(set(joined)) == len(joined)
    assert set(joined) == {tuple(row[key] for key in keys) for row in rows}
    status = {row["BillingPeriodStart"]: row["BillingPeriodStatus"] for row in found}
    assert status == {datetime(2026, 10, 1, tzinfo=UTC): "Closed", datetime(2026, 11, 1, tzinfo=UTC): "Open"}


def test_a_closed_period_is_the_same_file_whatever_is_booked_since_and_opens_again_only_on_demand(
    world: World, rows: list[Row]
) -> None:
    for form in ("csv", "parquet"):
        assert export("2026-10", form) == export("2026-10", form)
    reopen("2026-10")
    assert [row["BillingPeriodStatus"] for row in periods()] == ["Open", "Open"]
    close("2026-10")
    assert [row["BillingPeriodStatus"] for row in periods()] == ["Closed", "Open"]
    assert from_parquet("2026-10") == [row for row in rows if row["BillingPeriodStart"].month == 10]
