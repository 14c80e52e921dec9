"""Whatever the keys, days, filters and moment: a report is what adding up the ledger by hand gives."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from service import costs
from service.cli.local import LocalStack
from service.costs.reports import Asked, Span
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, Actor, DbRole
from service.tenants import TeamFacts
from tests.costs.booking import FIRST, book, book_anything, whole_ledger
from tests.costs.factories import a_price
from tests.quotas.factories import a_funded_team, hold
from tests.tenants.factories import acting_for
from workers.schedule import fold_costs

FINANCE: Final = Actor(db_role=DbRole.FINANCE, name="finance")
QUARTER: Final = Span(date(2031, 1, 1), date(2031, 4, 1))
thorough = settings(derandomize=True, deadline=None, max_examples=60)


def key_of(entry: dict[str, Any], key: str) -> str | None:
    """What an entry has of a key, as it is shown."""
    derived = {
        "team": entry["team_slug"],
        "job": entry["job_id"] and ids.show("job", entry["job_id"]),
        "day": str(entry["posted_on"]),
        "month": f"{entry['posted_on']:%Y-%m}",
    }
    value: str | None = derived[key] if key in derived else entry[key]
    return value


@pytest.fixture(scope="module")
def world(quiet: LocalStack) -> tuple[list[TeamFacts | None], datetime]:
    """Entries of three teams and of nobody: most in the sums, some after them, some recorded after the moment given."""
    chance, price = random.Random(11), a_price()
    teams = [a_funded_team(product="x"), a_funded_team(cost_center="CC-1"), a_funded_team(product="x"), None]
    for _ in range(60):
        book_anything(teams, price, chance)
    with read_only(CLI) as session:
        moment = session.scalars(text("SELECT clock_timestamp()")).one()
    for _ in range(30):
        book_anything(teams, price, chance)
    fold_costs()
    for _ in range(30):
        book_anything(teams, price, chance)
    assert {entry["team_slug"] for entry in whole_ledger()} == {team and team.slug for team in teams}
    return teams, moment


def amounts(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """By hand, in Python."""

    def total(counts: Callable[[dict[str, Any]], bool], name: str = "amount") -> Any:
        return sum((entry[name] for entry in entries if counts(entry)), Decimal(0))

    return {
        "estimated": total(lambda _: True, "estimated"),
        "accrued": total(lambda one: one["kind"] != "adjustment" and one["accrued"]),
        "settled": total(lambda one: one["kind"] != "adjustment" and not one["accrued"]),
        "adjusted": total(lambda one: one["kind"] == "adjustment"),
        "cost": total(lambda _: True),
        "quantity": total(lambda one: one["meter"] == "training_tokens", "quantity"),
    }


def by_hand(entries: list[dict[str, Any]], by: tuple[str, ...]) -> dict[tuple[str | None, ...], dict[str, Any]]:
    groups = defaultdict(list)
    for entry in entries:
        groups[tuple(key_of(entry, key) for key in by)].append(entry)
    return {place: amounts(group) for place, group in groups.items()}


def read(actor: Actor, asked: Asked, **paged: Any) -> costs.reports.Report:
    with read_only(actor) as session:
        return costs.reports.report(session, asked, **paged)


def as_numbers(values: tuple[Any, ...]) -> dict[str, Any]:
    named = dict(zip(costs.reports.MEASURES, values, strict=True))
    return {name: Decimal(value) for name, value in named.items() if name != "reserved"}


def rows_of(report: costs.reports.Report) -> dict[tuple[Any, ...], dict[str, Any]]:
    count = len(report.asked.group_by)
    return {row[:count]: as_numbers(row[count:]) for row in report.rows}


days = st.dates(date(2030, 12, 30), date(2031, 4, 3))
groupings = st.lists(st.sampled_from(costs.GROUPS), min_size=1, max_size=4, unique=True).map(tuple)
wanted = st.fixed_dictionaries(
    {},
    optional={
        "base_model": st.lists(st.sampled_from([None, "gpt-4.1-2025-04-14", "none"]), min_size=1, max_size=2),
        "product": st.just([None]),
        "meter": st.just(["training_tokens", "input_tokens"]),
        "model": st.just(["ft:a", None]),
    },
)


@thorough
@given(by=groupings, ends=st.lists(days, min_size=2, max_size=2, unique=True), filters=wanted, then=st.booleans())
def test_a_report_is_the_ledger_added_up(
    world: tuple[list[TeamFacts | None], datetime],
    by: tuple[str, ...],
    ends: list[date],
    filters: dict[str, list[str | None]],
    then: bool,
) -> None:
    start, end = sorted(ends)
    as_of = world[1] if then else None
    asked = Asked(
        span=Span(start, end), group_by=by, as_of=as_of, filters={key: tuple(some) for key, some in filters.items()}
    )
    counted = [
        entry
        for entry in whole_ledger()
        if start <= entry["posted_on"] < end
        and (as_of is None or entry["recorded_at"] <= as_of)
        and all(entry[key] in some for key, some in filters.items())
    ]
    report = read(FINANCE, asked)
    assert rows_of(report) == by_hand(counted, by)
    assert as_numbers(report.total) == amounts(counted)


@pytest.mark.parametrize("sort", [None, "cost", "-cost", "-quantity", "adjusted", "reserved"])
@pytest.mark.parametrize("by", [("team", "model"), ("base_model", "day"), ("month",)])
@pytest.mark.usefixtures("world")
def test_pages_are_the_whole_in_order_and_each_has_the_whole_total(by: tuple[str, ...], sort: str | None) -> None:
    asked = Asked(span=QUARTER, group_by=by, sort=costs.reports.sort(sort))
    whole, seen, after = read(FINANCE, asked), list[tuple[Any, ...]](), None
    while True:
        page = read(FINANCE, asked, after=after, limit=3)
        seen += page.rows
        assert page.total == whole.total
        if page.next is None:
            break
        after = costs.reports.cursor_of(page.next, asked)
    assert seen == whole.rows
    if sort and sort != "reserved":
        column = [row[len(by) + costs.reports.MEASURES.index(sort.removeprefix("-"))] for row in seen]
        assert column == sorted(column, key=lambda one: Decimal(one or 0), reverse=sort.startswith("-"))
    else:
        assert seen == sorted(seen, key=lambda row: [(key is None, key or "") for key in row[: len(by)]])


def test_what_belongs_to_nobody_is_a_row_that_no_team_sees(world: tuple[list[TeamFacts | None], datetime]) -> None:
    asked = Asked(span=QUARTER, group_by=("team",))
    assert read(FINANCE, asked).rows[-1][0] is None
    team = world[0][0]
    assert team is not None
    assert [row[0] for row in read(acting_for(team), asked).rows] == [team.slug]
    only_nobodys = Asked(span=QUARTER, group_by=("team",), filters={"team": (None,)})
    assert [row[0] for row in read(FINANCE, only_nobodys).rows] == [None]


def test_what_is_held_has_the_owners_keys_and_is_not_known_of_a_moment_past(
    world: tuple[list[TeamFacts | None], datetime],
) -> None:
    team = a_funded_team(product="held", at=FIRST)
    job = hold(team, "1.25", at=FIRST + timedelta(days=40))
    by = ("team", "product", "base_model", "job", "month", "model", "day")
    asked = Asked(span=Span(date(2031, 2, 10), date(2031, 2, 11)), group_by=by, filters={"product": ("held",)})
    (row,) = read(FINANCE, asked).rows
    keys = (team.slug, "held", "gpt-4o-mini-2024-07-18", ids.show("job", job), "2031-02", None, None)
    assert row == (*keys, "0.00", "1.25", "0.00", "0.00", "0.00", "0.00", 0)
    past = Asked(span=QUARTER, group_by=("team",), as_of=world[1])
    assert {row[2] for row in read(FINANCE, past).rows} == {None}


def test_a_closed_period_is_the_same_bytes_whatever_happens_and_says_so(
    world: tuple[list[TeamFacts | None], datetime],
) -> None:
    team, price, span = world[0][0], a_price(), Span(date(2030, 12, 1), date(2031, 1, 1))
    charged = datetime(2030, 12, 5, tzinfo=UTC)
    book(team, price, charged_at=charged)
    asked = Asked(span=span, group_by=("team", "model", "day"))
    open_etag = costs.reports.etag(read(FINANCE, asked), costs.reports.as_json(read(FINANCE, asked)))
    assert open_etag.startswith('"2030-12.open-')
    with unit_of_work(CLI) as session:
        session.execute(
            text(
                "INSERT INTO billing_periods (month, state, revision, changed_by, changed_at)"
                " VALUES ('2030-12-01', 'closed', 1, 'test', now())"
            )
        )
    first = costs.reports.as_json(read(FINANCE, asked))
    book(team, price, charged_at=charged, at=FIRST)  # counts in the month it is booked in
    fold_costs()
    again = read(FINANCE, asked)
    assert costs.reports.as_json(again) == first
    assert costs.reports.etag(again, first).startswith('"2030-12.closed.1-')
    assert again.period == costs.reports.PeriodState(closed=True, revision=1)
    assert again.total[1] is None
