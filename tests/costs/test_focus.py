"""Conformance to FOCUS 1.4, rule by rule, on files as their readers see them."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from service import costs
from service.cli.local import LocalStack
from service.kit import ids
from service.kit.db import read_only
from tests.costs import focus_world
from tests.costs.books import FINANCE, month, wipe
from tests.costs.focus_world import VERSION, World, cost_of, export, from_csv, from_parquet

Row = dict[str, Any]
MANDATORY = {
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "BillingAccountId", "BillingAccountName",
    "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit", "ServiceProviderName",
    "HostProviderName", "InvoiceIssuerName", "ServiceCategory", "ServiceName",
}  # fmt: skip
NOT_NULL = MANDATORY - {"BillingAccountName", "ChargeClass", "PricingQuantity", "PricingUnit", "ChargeDescription"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
DECIMAL = re.compile(r"-?\d+(\.\d+)?")


@pytest.fixture(scope="module")
def world(quiet: LocalStack) -> Iterator[World]:
    yield focus_world.a_world()
    wipe(quiet)


@pytest.fixture(scope="module")
def rows(world: World) -> list[Row]:
    return from_parquet("2026-10") + from_parquet("2026-11")


@pytest.fixture(scope="module")
def texts(world: World) -> list[dict[str, str]]:
    return from_csv("2026-10") + from_csv("2026-11")


def named(name: str) -> Any:
    (found,) = (one for one in costs.focus.columns("1.4") if one.name == name)
    return found


def test_every_kind_of_entry_is_there(rows: list[Row]) -> None:
    assert {row["SkuMeter"] for row in rows} == {
        "Training Tokens", "Training Hours", "Input Tokens", "Output Tokens", None,
    }  # fmt: skip
    assert {row["x_ReconciliationStatus"] for row in rows} == {"Accrued", "Settled", "Adjusted"}
    assert {row["ChargeClass"] for row in rows} == {"Correction", None}
    assert {row["SubAccountName"] for row in rows} >= {"Before", "After", None}


# ------------------------------------------------------------------------------------------------- columns and formats
def test_mandatory_columns_are_there_in_the_order_of_the_map_and_our_own_last(rows: list[Row]) -> None:
    names = list(rows[0])
    assert set(names) >= MANDATORY
    assert names[:14] == [
        "BilledCost", "EffectiveCost", "ListCost", "ListUnitPrice", "ContractedCost", "ContractedUnitPrice",
        "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd",
        "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory",
    ]  # fmt: skip
    own = [name.startswith("x_") for name in names]
    assert own == sorted(own)
    assert len(set(names)) == len(names)


def test_ids_are_pascal_case(rows: list[Row]) -> None:
    for name in rows[0]:
        assert re.fullmatch(r"(x_)?([A-Z][a-z0-9]+)+", name), name
        assert len(name) <= 50


@pytest.mark.parametrize("gone", ["ProviderName", "PublisherName"])
def test_what_1_4_removed_is_not_there(rows: list[Row], gone: str) -> None:
    assert gone not in rows[0]


def test_nulls_are_null_only_where_they_may_be(rows: list[Row]) -> None:
    for row in rows:
        for name, value in row.items():
            if value is None:
                assert named(name).is_nullable, name
                assert name not in NOT_NULL
            assert value not in ("", "N/A", "Not Applicable", "NULL"), name
            assert not (isinstance(value, str) and not value.strip()), name


def test_a_null_is_an_empty_cell_of_a_csv_and_no_text_is_empty(world: World) -> None:
    content = export("2026-11", "csv")
    assert b",," in content
    assert re.search(rb'(^|,)""(?=,|\r\n)', content) is None


def test_the_csv_says_what_the_parquet_says(rows: list[Row], texts: list[dict[str, str]]) -> None:
    assert len(rows) == len(texts)
    for row, written in zip(rows, texts, strict=True):
        for name, value in row.items():
            match value:
                case None:
                    assert written[name] == ""
                case Decimal():
                    assert Decimal(written[name]) == value
                case datetime():
                    assert written[name] == f"{value:%Y-%m-%dT%H:%M:%SZ}"
                case _:
                    assert written[name] == value


def test_instants_are_utc_to_the_second(texts: list[dict[str, str]]) -> None:
    instants = [one.name for one in costs.focus.columns("1.4") if one.kind == "instant"]
    assert "x_ChargedAt" in instants
    for row in texts:
        for name in instants:
            assert INSTANT.fullmatch(row[name]), (name, row[name])


def test_decimals_are_plain(texts: list[dict[str, str]]) -> None:
    numbers = [one.name for one in costs.focus.columns("1.4") if one.kind in ("money", "decimal")]
    for row in texts:
        for name in numbers:
            assert not row[name] or DECIMAL.fullmatch(row[name]), (name, row[name])


def test_json_is_a_flat_object_with_keys_each_once(rows: list[Row]) -> None:
    for name in ("SkuPriceDetails", "Tags"):
        found = [row[name] for row in rows if row[name] is not None]
        assert found
        for one in found:
            pairs = json.loads(one, object_pairs_hook=list)
            assert len(dict(pairs)) == len(pairs) > 0
            assert all(isinstance(value, str | int | float | bool) for _, value in pairs)


def test_enumerations_have_their_values_only(rows: list[Row]) -> None:
    enumerated = {one.name: one.allowed for one in costs.focus.columns("1.4") if one.allowed is not None}
    assert len(enumerated) >= 8
    for row in rows:
        for name, allowed in enumerated.items():
            assert row[name] is None or row[name] in allowed, name


def test_units_are_written_as_the_specification_writes_them(rows: list[Row]) -> None:
    assert {row["PricingUnit"] for row in rows} == {"1000000 Tokens", "Hours", None}
    assert {row["ConsumedUnit"] for row in rows} == {"Tokens", "Seconds", None}
    assert {row["BillingCurrency"] for row in rows} == {"USD"}


# -------------------------------------------------------------------------------------------------------------- periods
def test_a_billing_period_is_a_month_and_a_charge_period_a_day_of_utc(rows: list[Row]) -> None:
    for row in rows:
        start, end = row["BillingPeriodStart"], row["BillingPeriodEnd"]
        assert (start.day, start.hour, end.day) == (1, 0, 1)
        assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == 1
        assert (row["ChargePeriodEnd"] - row["ChargePeriodStart"]).days == 1
        assert row["ChargePeriodStart"] <= row["x_ChargedAt"] < row["ChargePeriodEnd"]
        assert row["ChargePeriodEnd"] <= end


def test_a_correction_is_what_restates_a_closed_period_and_nothing_else(rows: list[Row]) -> None:
    corrections = [row for row in rows if row["ChargeClass"] == "Correction"]
    assert {(row["ChargeCategory"], row["BillingPeriodStart"].month) for row in corrections} == {
        ("Usage", 11), ("Adjustment", 11),
    }  # fmt: skip
    for row in rows:
        assert (row["ChargeClass"] == "Correction") == (row["ChargePeriodStart"] < row["BillingPeriodStart"])
    before = [row for row in rows if row["x_Reason"] == "credit note"]
    assert [(row["ChargeClass"], row["BillingPeriodStart"].month) for row in before] == [(None, 10)]


# ---------------------------------------------------------------------------------------------------------------- costs
def test_a_row_is_an_entry_and_a_period_sums_to_its_ledger(rows: list[Row]) -> None:
    kept = focus_world.entries()
    assert [row["x_LedgerEntryId"] for row in rows] == [ids.show("entry", one["id"]) for one in kept]
    for number in (10, 11):
        own = [row for row in rows if row["BillingPeriodStart"].month == number]
        assert cost_of(own) == sum(one["amount"] for one in kept if one["posted_on"].month == number)
    with read_only(FINANCE) as session:
        assert costs.show_period(session, month("2026-10"), team_id=None).total == cost_of(
            [row for row in rows if row["BillingPeriodStart"].month == 10]
        )


@pytest.mark.parametrize(("price", "cost"), [("ContractedUnitPrice", "ContractedCost"), ("ListUnitPrice", "ListCost")])
def test_price_times_quantity_is_the_cost_unless_it_is_a_correction(rows: list[Row], price: str, cost: str) -> None:
    checked = 0
    for row in rows:
        if row[price] is None or row["PricingQuantity"] is None or row["ChargeClass"] == "Correction":
            continue
        product, checked = row[price] * row["PricingQuantity"], checked + 1
        assert product.quantize(Decimal(1).scaleb(-10)) == row[cost], row["ChargeDescription"]
    assert checked >= 8


def test_a_quantity_of_tokens_is_exact(rows: list[Row]) -> None:
    for row in rows:
        if row["ConsumedUnit"] == "Tokens":
            assert row["PricingQuantity"] * 1_000_000 == row["ConsumedQuantity"]
    (hours,) = (row for row in rows if row["PricingUnit"] == "Hours")
    assert abs(hours["PricingQuantity"] * 3600 - hours["ConsumedQuantity"]) < Decimal("1e-14")
    assert json.loads(hours["SkuPriceDetails"]) == {"x_Method": "reinforcement", "x_ModelId": focus_world.HOURLY}


def test_usage_has_quantities_prices_and_skus_and_nothing_else_has(rows: list[Row]) -> None:
    measured = {
        "ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit", "PricingCategory", "SkuId", "SkuPriceId",
        "SkuMeter", "SkuPriceDetails", "ContractedUnitPrice", "ListUnitPrice",
    }  # fmt: skip
    for row in rows:
        filled = {name for name in measured if row[name] is not None}
        assert filled == (measured if row["ChargeCategory"] == "Usage" else set())
        assert (row["ChargeFrequency"] == "Usage-Based") == (row["ChargeCategory"] == "Usage")


def test_the_list_price_stands_beside_the_contracts(rows: list[Row]) -> None:
    (row,) = (row for row in rows if row["SkuMeter"] == "Output Tokens")
    assert (row["ContractedUnitPrice"], row["ListUnitPrice"]) == (Decimal("1.0000000001"), Decimal("1.2"))
    assert row["ListCost"] == Decimal("1.2") * 777_777 / 10**6 != row["ContractedCost"] == row["BilledCost"]
    assert row["PricingCategory"] == "Dynamic"
    others = [row for row in rows if row["SkuMeter"] != "Output Tokens"]
    assert all(row["ListCost"] == row["ContractedCost"] == row["EffectiveCost"] == row["BilledCost"] for row in others)


def test_a_price_has_one_sku_and_cached_tokens_are_told_by_the_sku_not_by_the_meter(rows: list[Row]) -> None:
    of_price: dict[str, set[str]] = {}
    for row in rows:
        if row["SkuPriceId"]:
            of_price.setdefault(row["SkuPriceId"], set()).add(row["SkuId"])
    assert all(len(skus) == 1 for skus in of_price.values())
    inputs = {row["SkuId"]: json.loads(row["SkuPriceDetails"]) for row in rows if row["SkuMeter"] == "Input Tokens"}
    assert sorted(details.get("x_CacheStatus", "") for details in inputs.values()) == ["", "CacheRead"]


# ----------------------------------------------------------------------------------------------------- who and what for
def test_names_of_teams_are_as_of_the_charge(rows: list[Row], world: World) -> None:
    own = [row for row in rows if row["SubAccountId"] == ids.show("team", world.renamed.id)]
    by_reason = {(row["x_Reason"], row["BillingPeriodStart"].month): row for row in own}
    for reason, number in ((None, 10), ("credit note", 10), ("another credit note", 11)):
        assert by_reason[reason, number]["SubAccountName"] == "Before"
        assert json.loads(by_reason[reason, number]["Tags"])["cost_center"] == "CC-1"
    assert by_reason[None, 11]["SubAccountName"] == "After"
    assert json.loads(by_reason[None, 11]["Tags"]) == {"cost_center": "CC-1", "env": "prod", "product": "Chat"}


def test_what_is_unallocated_has_no_sub_account(rows: list[Row]) -> None:
    unallocated = [row for row in rows if row["SubAccountId"] is None]
    assert len(unallocated) == 2
    for row in unallocated:
        assert (row["SubAccountName"], row["SubAccountType"], row["Tags"]) == (None, None, None)
    assert all(row["SubAccountType"] == "Team" for row in rows if row["SubAccountId"])


def test_the_account_is_the_providers_and_never_our_key(rows: list[Row]) -> None:
    assert {row["BillingAccountId"] for row in rows if row["BillingAccountName"]} >= {"org-acme"}
    told = {row["BillingAccountId"] for row in rows} - {"org-acme", "openai"}
    assert len(told) == 1
    assert told.pop().startswith("conn_")


def test_every_row_says_who_provides_hosts_and_invoices_it(rows: list[Row]) -> None:
    for row in rows:
        names = (row["ServiceProviderName"], row["HostProviderName"], row["InvoiceIssuerName"])
        assert names == ("OpenAI", "OpenAI", "OpenAI")
        training = row["ServiceSubcategory"] == "Machine Learning"
        assert row["ServiceName"] == ("OpenAI Fine-tuning" if training else "OpenAI Fine-tuned Inference")
        assert row["InvoiceId"] is None


def test_resources_are_jobs_and_model_versions(rows: list[Row]) -> None:
    for row in rows:
        assert (row["ResourceId"] is None) == (row["ResourceType"] is None)
        if row["ResourceName"] is not None:
            assert row["ResourceName"] != row["ResourceId"]
        if row["ResourceType"] == "Fine-Tuning Job":
            assert row["ResourceId"] == row["x_JobId"]
    models = {row["ResourceId"]: row["ResourceName"] for row in rows if row["ResourceType"] == "Fine-Tuned Model"}
    assert models[ids.show("mver", VERSION)].startswith("ft:")
    assert [name for resource, name in models.items() if resource.startswith("ft:")] == [None]


def test_a_correction_names_what_it_corrects(rows: list[Row]) -> None:
    by_id = {row["x_LedgerEntryId"]: row for row in rows}
    corrections = [row for row in rows if row["x_CorrectedEntryId"]]
    assert len(corrections) == 2
    for row in corrections:
        original = by_id[row["x_CorrectedEntryId"]]
        assert (row["ResourceId"], row["ChargePeriodStart"]) == (original["ResourceId"], original["ChargePeriodStart"])
