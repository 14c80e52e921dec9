"""A month of twenty teams as finance sees it: every report of it is the same money, and so is the provider's bill."""

from collections import defaultdict
from collections.abc import Iterator
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
from service.tenants import Role
from tests.scenarios.month import TEAMS, Month, Planted, a_month, last_month
from tests.stack import Client
from tests.tenants.factories import a_key

KEYS = (
    "team", "cost_center", "product", "environment", "provider", "base_model", "model", "job", "meter", "day", "month",
)  # fmt: skip
MEASURES = ("estimated", "accrued", "settled", "adjusted", "cost")


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
