"""A month of twenty teams as finance sees it: every report of it is the same money, and so is the provider's bill."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import text

from service import costs
from service.cli.local import LocalStack
from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import CLI
from service.kit.ids import show
from service.tenants import Role
from tests.scenarios.month import TEAMS, Month, Planted, a_month, last_month
from tests.stack import Client
from tests.tenants.factories import a_key

KEYS = (
    "team", "cost_center", "product", "environment", "provider", "base_model", "model", "job", "meter", "day", "month",
)  # fmt: skip
MEASURES = ("estimated", "accrued", "settled", "adjusted", "cost")


BUDGETS_AND_LEDGER = """
    SELECT team_id, month, spent, reserved, booked, held FROM budget_months
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS booked FROM ledger_entries e
        WHERE e.team_id = budget_months.team_id AND e.budget_month = month
    ) l ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS held FROM reservations r
        WHERE r.team_id = budget_months.team_id AND r.month = budget_months.month AND state = 'held'
    ) h ON true
    WHERE spent <> booked OR reserved <> held
"""


@pytest.fixture(scope="module")
def month(quiet: LocalStack) -> Iterator[Month]:
    quiet.start_api()
    with a_month(last_month(clock.now().date())) as lived:
        yield lived


@pytest.fixture(scope="module")
def finance(quiet: LocalStack, month: Month) -> Client:
    return Client(quiet.api_url, a_key(None, Role.FINANCE)[1])


def report(finance: Client, month: Month, *keys: str, **query: Any) -> dict[str, Any]:
    asked = "&".join(f"{name}={value}" for name, value in {"period": f"{month.first:%Y-%m}", **query}.items())
    answer = finance.get(f"/v1/costs?group_by={','.join(keys)}&{asked}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def booked(month: Month) -> Decimal:
    with read_only(CLI) as session:
        return session.scalar(
            text("SELECT sum(amount) FROM ledger_entries WHERE posted_on >= :first AND posted_on < :end"),
            {"first": month.first, "end": month.end},
        ) or Decimal(0)


def test_every_grouping_has_the_same_total_and_is_its_sum(finance: Client, month: Month) -> None:
    total = report(finance, month, "team")["total"]
    assert Decimal(total["cost"]) == booked(month) > 0
    for keys in [*((key,) for key in KEYS), *combinations(KEYS, 2), KEYS]:
        found = report(finance, month, *keys)
        assert found["total"] == total, keys
        for measure in MEASURES:
            assert sum(Decimal(row[measure]) for row in found["rows"]) == Decimal(total[measure]), (keys, measure)
    assert len(report(finance, month, "team")["rows"]) == TEAMS + 1  # and what is nobody's


def reconciled(month: Month) -> list[costs.ReconciliationDetail]:
    wanted = costs.DayFilter(costs.period(f"{month.first:%Y-%m}"), connection_id=month.organisation.connection)
    with read_only(CLI) as session:
        page = costs.list_reconciliations(session, wanted, after=None, limit=100)
        return [costs.show_reconciliation(session, one.id) for one in page.data]


def test_the_bill_reconciles_but_for_what_was_planted(month: Month) -> None:
    found = defaultdict[Planted, Decimal](Decimal)
    for day in reconciled(month):
        assert sum(one.left for one in day.findings) == day.residual - day.rounding
        assert day.residual == day.billed - day.booked - day.adjusted
        for one in day.findings:
            found[one.cause, day.day, one.line_item, one.api_key or ""] += one.left
    assert found == month.planted
    assert month.fates.keys() == {"trained", "failed", "stopped", "overrun"}


def test_a_stopped_jobs_amount_is_settled_once_the_bill_agrees(finance: Client, month: Month) -> None:
    """And not before: where something else of the same model is billed wrong that day, nobody can tell."""
    drifted = {(day, line.partition(",")[0]) for cause, day, line, _ in month.planted if cause == "price_drift"}
    with read_only(CLI) as session:
        worked_out = session.execute(
            text("SELECT posted_on, base_model, amount FROM ledger_entries WHERE accrued AND corrects IS NULL")
        ).all()
    assert len(worked_out) == month.fates["stopped"]
    total = report(finance, month, "team")["total"]
    assert Decimal(total["accrued"]) == sum(one.amount for one in worked_out if (one[0], one[1]) in drifted)
    assert Decimal(total["accrued"]) + Decimal(total["settled"]) == Decimal(total["cost"])


def focus(finance: Client, period: str) -> list[dict[str, str]]:
    answer = finance.get(f"/v1/costs/focus/cost-and-usage?period={period}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_focus_rows_add_up_to_the_report_by_team_and_by_day(finance: Client, month: Month) -> None:
    rows = focus(finance, f"{month.first:%Y-%m}")
    assert sum(Decimal(row["BilledCost"]) for row in rows) == booked(month)
    for key, column in (("team", "SubAccountId"), ("day", "ChargePeriodStart")):
        of_focus, of_report = defaultdict[str, Decimal](Decimal), dict[str, Decimal]()
        for row in rows:
            of_focus[row[column].removesuffix("T00:00:00Z")] += Decimal(row["BilledCost"])
        for row in report(finance, month, key)["rows"]:
            of_report[row[key] or ""] = Decimal(row["cost"])
        assert sorted(of_focus.values()) == sorted(of_report.values())
    names = {row["SubAccountName"] for row in rows if row["SubAccountId"] == show("team", month.teams[1].id)}
    assert names <= {"Team 1", "Renamed"}
    assert not [row for row in rows if row["ChargeClass"]]


def test_a_closed_month_stays_as_it_is_and_corrections_count_in_the_open_one(finance: Client, month: Month) -> None:
    period, now = f"{month.first:%Y-%m}", f"{clock.now():%Y-%m}"
    closed = finance.post(f"/v1/billing-periods/{period}/close")
    assert (closed.status_code, closed.json()["state"]) == (200, "closed"), closed.text
    path = f"/v1/costs?period={period}&group_by=team,base_model,meter"
    before, of_focus = finance.get(path), focus(finance, period)
    entry = finance.get(f"/v1/costs/entries?period={period}&limit=1&meter=training_tokens").json()["data"][0]
    wrong = {"corrects": entry["id"], "amount": "-0.001", "reason": "Billed for an epoch too many."}
    adjusted = finance.post("/v1/costs/adjustments", wrong)
    assert (adjusted.status_code, adjusted.json()["posted_on"][:7]) == (201, now), adjusted.text
    after = finance.get(path)
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert focus(finance, period) == of_focus
    assert finance.get(path, headers={"If-None-Match": before.headers["etag"]}).status_code == 304
    assert finance.get(f"/v1/billing-periods/{period}/verify").json()["intact"] is True
    (correction,) = focus(finance, now)
    assert (correction["ChargeClass"], correction["BilledCost"]) == ("Correction", "-0.001")
    assert correction["BillingPeriodStart"] == f"{now}-01T00:00:00Z"
    assert correction["x_CorrectedEntryId"] == entry["id"]
    both = finance.get(
        f"/v1/costs?start={month.first}&end={clock.now().date() + timedelta(days=1)}&group_by=month"
    ).json()
    assert [row["cost"] for row in both["rows"]] == [before.json()["total"]["cost"], "-0.001"]
    with read_only(CLI) as session:
        assert session.scalar(text("SELECT sum(amount) FROM ledger_entries")) == Decimal(both["total"]["cost"])
        wrong_budgets = session.execute(text(BUDGETS_AND_LEDGER)).all()
    assert wrong_budgets == []
