"""Reports add up to the last digit, tell months apart, and show each caller what is theirs."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from service import costs
from service.costs import quote
from service.costs.reports import CostReport
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, Actor, DbRole
from service.tenants import TeamFacts
from tests.costs.factories import a_price, charge, spend
from tests.quotas.factories import AT, MODEL, a_funded_team, hold, sums
from tests.tenants.factories import NOBODY, acting_for

pytestmark = pytest.mark.usefixtures("database")

FINANCE = Actor(db_role=DbRole.FINANCE, name="finance")
NOVEMBER = costs.reports.Span(date(2026, 11, 1), date(2026, 12, 1))
OTHER_MODEL = "gpt-4.1-2025-04-14"


def report(
    actor: Actor, *, month: str = "2026-11", by: str = "team", team_id: UUID | None = None, **asked: Any
) -> CostReport:
    span = costs.reports.span(month, None, None, at=AT)
    wanted = costs.reports.Asked(span=span, group_by=costs.groups(by), team_id=team_id, **asked)
    with read_only(actor) as session:
        return CostReport.model_validate_json(costs.reports.as_json(costs.reports.report(session, wanted)))


def own(team: TeamFacts, **asked: Any) -> CostReport:
    return report(acting_for(team), team_id=team.id, **asked)


def rows(seen: CostReport) -> list[dict[str, Any]]:
    """Keys, and what is held, settled and trained; the other measures have tests of their own."""
    others = {"estimated", "accrued", "adjusted", "cost"}
    return [row.model_dump(mode="json", exclude_unset=True, exclude=others) for row in seen.rows]


def test_nothing_spent_is_a_report_without_rows() -> None:
    seen = own(a_funded_team())
    assert seen.rows == []
    assert set(seen.total.model_dump(mode="json").values()) == {"0.00", 0}


def test_rows_have_the_keys_asked_for_and_are_sorted_by_them_null_last() -> None:
    team = a_funded_team()
    spend(team, 1_000_000, model="ft:b")
    spend(team, 2_000_000, model="ft:a")
    spend(team, 3_000_000, model="ft:a", base_model=OTHER_MODEL)
    spend(team, 100_000, model=None)
    hold(team, "1.25")
    zero = {"reserved": "0.00"}
    assert rows(own(team, by="team")) == [
        {"team": team.slug, "reserved": "1.25", "settled": "18.30", "quantity": 6_100_000}
    ]
    assert rows(own(team, by="model")) == [
        {"model": "ft:a", "settled": "15.00", "quantity": 5_000_000, **zero},
        {"model": "ft:b", "settled": "3.00", "quantity": 1_000_000, **zero},
        {"model": None, "settled": "0.30", "quantity": 100_000, "reserved": "1.25"},
    ]
    assert rows(own(team, by="model,base_model"))[:2] == [
        {"model": "ft:a", "base_model": OTHER_MODEL, "settled": "9.00", "quantity": 3_000_000, **zero},
        {"model": "ft:a", "base_model": MODEL, "settled": "6.00", "quantity": 2_000_000, **zero},
    ]


def test_a_job_is_shown_by_its_id_with_what_it_holds_or_has_cost() -> None:
    team = a_funded_team()
    done, under_way = hold(team, "5"), hold(team, "2")
    charge(team, done, 1_000_000)
    assert rows(own(team, by="job")) == [
        {"job": ids.show("job", done), "reserved": "0.00", "settled": "3.00", "quantity": 1_000_000},
        {"job": ids.show("job", under_way), "reserved": "2.00", "settled": "0.00", "quantity": 0},
    ]


def test_a_charge_belongs_to_the_month_of_its_instant_in_utc() -> None:
    team = a_funded_team(time_zone="Asia/Tokyo", at=datetime(2026, 1, 1, tzinfo=UTC))
    first = datetime(2026, 11, 1, tzinfo=UTC)
    for at in (first - timedelta(microseconds=1), first, first + timedelta(days=30) - timedelta(microseconds=1)):
        spend(team, 1_000_000, at=at)
    spend(team, 5_000_000, at=first + timedelta(days=30))
    settled = {month: own(team, month=month).total.settled for month in ("2026-10", "2026-11", "2026-12")}
    assert settled == {"2026-10": 3, "2026-11": 6, "2026-12": 15}


def test_what_is_held_belongs_to_the_teams_own_month() -> None:
    team = a_funded_team(time_zone="Asia/Tokyo")
    hold(team, "2", at=datetime(2026, 11, 30, 18, tzinfo=UTC))  # December in Tokyo
    assert own(team, month="2026-11").total.reserved == 0
    assert own(team, month="2026-12").total.reserved == 2


@pytest.mark.parametrize("by", ["team", "base_model", "model", "job", "team,model", "model,job,base_model,team"])
def test_the_total_is_the_sum_of_the_rows_and_of_the_ledger_to_the_last_digit(by: str) -> None:
    team, price, chance = a_funded_team("9000000000"), a_price(), random.Random(by)
    for _ in range(12):
        tokens = chance.choice([1, 3, 7, 333_333, 86_120, 999_999_999])
        model = chance.choice([None, "ft:a", "ft:b"])
        spend(team, tokens, model=model, base_model=chance.choice([MODEL, OTHER_MODEL]), price=price)
    for amount in ("0.0000000001", "33.3333333333", "1000000.0000000007"):
        hold(team, amount)
    seen, kept = own(team, by=by), sums(team)
    assert seen.total.settled == sum(row.settled for row in seen.rows) == kept.ledger == kept.spent
    assert seen.total.reserved == sum(row.reserved or 0 for row in seen.rows) == kept.held == kept.reserved
    assert seen.total.quantity == sum(row.quantity for row in seen.rows)
    assert seen.total.settled == quote(price, seen.total.quantity)


def test_amounts_too_long_for_a_float_add_up() -> None:
    team = a_funded_team("9999999999.9999999999")
    for amount in ("4999999999.9999999998", "0.0000000001", "5000000000.0000000000"):
        hold(team, amount)
    assert own(team).model_dump(mode="json")["total"]["reserved"] == "9999999999.9999999999"


def two_teams() -> tuple[TeamFacts, TeamFacts]:
    mine, other = a_funded_team(), a_funded_team()
    for team, tokens in ((mine, 1_000_000), (other, 2_000_000)):
        spend(team, tokens)
        hold(team, "1")
    return mine, other


def test_row_level_security_alone_keeps_reports_apart() -> None:
    mine, _ = two_teams()
    assert [row["team"] for row in rows(report(acting_for(mine)))] == [mine.slug]  # asks for every team
    assert rows(report(NOBODY)) == []


def test_the_queries_own_filter_alone_keeps_reports_apart() -> None:
    mine, _ = two_teams()
    assert rows(report(CLI, team_id=mine.id)) == rows(own(mine))  # an operator's unit sees every team


def test_asking_for_another_team_shows_nothing() -> None:
    mine, other = two_teams()
    assert rows(report(acting_for(mine), team_id=other.id)) == []


def test_finance_sees_every_team() -> None:
    mine, other = two_teams()
    seen = {row["team"]: row["settled"] for row in rows(report(FINANCE))}
    assert (seen[mine.slug], seen[other.slug]) == ("3.00", "6.00")


def test_a_report_is_of_one_moment() -> None:
    team = a_funded_team()
    under_way = hold(team, "5")
    with read_only(acting_for(team)) as session:
        session.execute(text("SELECT 1"))
        charge(team, under_way, 1_000_000)  # in a transaction of its own, while the report is being made
        wanted = costs.reports.Asked(span=NOVEMBER, group_by=("team",), team_id=team.id)
        seen = costs.reports.report(session, wanted)
    assert dict(zip(costs.reports.MEASURES, seen.total, strict=True))["reserved"] == "5.00"
    assert dict(zip(costs.reports.MEASURES, seen.total, strict=True))["settled"] == "0.00"
    assert own(team).total.settled == 3


def test_a_team_renamed_since_keeps_its_name_of_the_day() -> None:
    team = a_funded_team(name="Before")
    spend(team, 1_000_000)
    with unit_of_work(CLI) as session:
        session.execute(text("UPDATE teams SET name = 'After' WHERE id = :id"), {"id": team.id})
        entry = session.execute(text("SELECT team_name FROM ledger_entries WHERE team_id = :id"), {"id": team.id})
        assert entry.scalar_one() == "Before"
