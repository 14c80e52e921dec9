"""Months are closed in order and reopened from the latest back; nothing counts in a closed one, whatever races."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service import costs
from service.cli.local import LocalStack
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.costs.books import (
    AFTER,
    AUGUST,
    FINANCE,
    NOVEMBER,
    OCTOBER,
    SEPTEMBER,
    close,
    month,
    reopen,
    show,
    verdict,
    wipe,
)
from tests.costs.factories import charge, charge_in, ledger, spend
from tests.costs.focus_world import an_account
from tests.costs.test_adjusting import adjust
from tests.quotas.factories import a_funded_team, hold, wait_until_blocked
from tests.tenants.factories import acting_for


@pytest.fixture(autouse=True)
def books(quiet: LocalStack) -> Iterator[None]:
    """Every test begins with all months open again and no entry in any of them."""
    yield
    wipe(quiet)


def posted(team: TeamFacts) -> list[date]:
    return [entry["posted_on"] for entry in ledger(team)]


def test_a_closed_month_knows_what_it_held() -> None:
    team = a_funded_team(at=AUGUST)
    spend(team, 1_000_000, at=OCTOBER), spend(team, 2_000_000, at=OCTOBER)
    spend(team, 1_000_000, at=NOVEMBER)
    before = show("2026-10")
    assert (before.state, before.entries, before.seal) == ("open", 2, None)
    closed = close("2026-10")
    assert (closed.state, closed.revision, closed.entries, closed.total) == ("closed", 1, 2, Decimal(9))
    assert closed.seal is not None
    assert closed.seal.previous == "00" * 32
    assert verdict("2026-10").model_dump() == {
        "object": "period_verification", "month": "2026-10", "revision": 1, "intact": True, "entries": 2,
        "head": closed.seal.head, "difference": None,
    }  # fmt: skip


def test_only_a_month_that_is_over_can_be_closed() -> None:
    end = month("2026-10").end
    with pytest.raises(costs.PeriodNotOver):
        close("2026-10", at=end - timedelta(microseconds=1))
    with pytest.raises(costs.PeriodNotOver):
        close("2026-11")
    assert close("2026-10", at=end).state == "closed"


def test_earlier_months_with_entries_are_closed_first_and_empty_ones_with_it() -> None:
    team = a_funded_team(at=AUGUST)
    spend(team, 1_000_000, at=AUGUST), spend(team, 1_000_000, at=OCTOBER)
    with pytest.raises(costs.EarlierPeriodOpen) as refused:
        close("2026-10")
    assert refused.value.facts["earlier"] == "2026-08"
    first, last = close("2026-08"), close("2026-10")
    assert first.seal is not None and last.seal is not None  # noqa: PT018 - for mypy
    assert last.seal.previous == first.seal.head
    assert show("2026-09").state == "closed"
    with pytest.raises(costs.LaterPeriodClosed):
        reopen("2026-09")
    spend(team, 1_000_000, at=SEPTEMBER)
    assert posted(team)[-1] > date(2026, 10, 31)


def test_what_comes_late_counts_on_the_day_it_is_booked() -> None:
    team = a_funded_team(at=AUGUST)
    job = hold(team, "10", at=OCTOBER)
    assert "held" in [one.code for one in show("2026-10").warnings]
    close("2026-10")
    charge(team, job, 1_000_000, at=OCTOBER)
    (entry,) = ledger(team)
    assert entry["charged_at"] == OCTOBER
    assert entry["budget_month"] == date(2026, 10, 1)
    assert entry["posted_on"] > date(2026, 10, 31)
    assert show("2026-10").entries == 0


def test_what_is_not_finished_is_told_and_stops_no_closing() -> None:
    team, account = a_funded_team(at=AUGUST), an_account("org-x")
    hold(team, "2.5", at=OCTOBER)
    spend(team, 1_000_000, at=OCTOBER, accrued=True, connection_id=account)
    spend(team, 1_000_000, at=OCTOBER, connection_id=account)
    spend(team, 1_000_000, at=OCTOBER + timedelta(days=1), connection_id=account)
    told = {one.code: (one.count, one.amount) for one in show("2026-10").warnings}
    assert told == {"held": (1, Decimal("2.5")), "accrued": (1, Decimal(3)), "unreconciled": (2, Decimal(9))}
    assert close("2026-10").state == "closed"


def test_a_correction_of_a_closed_month_is_of_the_present_one_and_of_its_budget() -> None:
    team = a_funded_team(at=AUGUST)
    spend(team, 1_000_000, at=OCTOBER)
    (entry,) = ledger(team)
    spend(team, 1_000_000, at=NOVEMBER)
    before = adjust(team, "-1", corrects=entry["id"], at=AFTER)
    assert (before.posted_on, before.budget_month) == (OCTOBER.date(), "2026-10")
    close("2026-10")
    after = adjust(team, "-1", corrects=entry["id"], at=AFTER)
    assert (after.posted_on, after.budget_month, after.charged_at) == (AFTER.date(), "2026-11", OCTOBER)
    assert show("2026-10").total == 2


def test_reopening_needs_the_latest_closed_month_and_makes_another_seal() -> None:
    team = a_funded_team(at=AUGUST)
    spend(team, 1_000_000, at=SEPTEMBER), spend(team, 1_000_000, at=OCTOBER)
    first, _ = close("2026-09"), close("2026-10")
    with pytest.raises(costs.LaterPeriodClosed):
        reopen("2026-09")
    reopen("2026-10")
    assert (show("2026-10").state, show("2026-10").reopened_because) == ("open", "a late invoice")
    reopen("2026-10")  # said twice
    with pytest.raises(costs.PeriodIsOpen):
        reopen("2026-10", "another reason")
    with pytest.raises(costs.PeriodIsOpen):
        verdict("2026-10")
    spend(team, 2_000_000, at=OCTOBER)
    again = close("2026-10")
    assert (again.revision, again.entries, again.total) == (2, 2, Decimal(9))
    assert again.seal is not None and first.seal is not None  # noqa: PT018
    assert again.seal.previous == first.seal.head
    assert verdict("2026-10").intact


def test_a_reopened_month_is_closed_again_before_the_next() -> None:
    close("2026-09")
    reopen("2026-09")
    with pytest.raises(costs.EarlierPeriodOpen):
        close("2026-10")


def test_whoever_books_while_a_month_is_being_closed_is_waited_for_and_sealed() -> None:
    team = a_funded_team(at=AUGUST)
    job = hold(team, "10", at=OCTOBER)
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(acting_for(team)) as session:
            charge_in(session, team, job, 1_000_000, at=OCTOBER)
            closing = pool.submit(close, "2026-10")
            wait_until_blocked(closing)
        closed = closing.result(timeout=5)
    assert (closed.entries, closed.total) == (1, Decimal(3))
    assert posted(team) == [OCTOBER.date()]
    assert verdict("2026-10").intact


def test_whoever_books_while_it_is_closed_books_in_the_next_month() -> None:
    team = a_funded_team(at=AUGUST)
    job = hold(team, "10", at=OCTOBER)
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(FINANCE) as session:
            costs.close_period(session, FINANCE, month("2026-10"), at=AFTER)
            booking = pool.submit(charge, team, job, 1_000_000, at=OCTOBER)
            wait_until_blocked(booking)
        booking.result(timeout=5)
    assert posted(team)[0] > date(2026, 10, 31)
    assert close("2026-10").entries == 0


def test_an_adjustment_under_way_is_waited_for_and_the_next_one_counts_later() -> None:
    team = a_funded_team(at=AUGUST)
    spend(team, 1_000_000, at=OCTOBER)
    (entry,) = ledger(team)
    wanted = costs.Adjustment(amount=Decimal(-1), reason="x", ext_ref=f"test:{entry['id']}", corrects=entry["id"])
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(acting_for(team)) as session:
            first = costs.adjust(session, acting_for(team), team, wanted, at=AFTER)
            closing = pool.submit(close, "2026-10")
            wait_until_blocked(closing)
        assert closing.result(timeout=5).total == 2
    assert (first.posted_on, first.budget_month) == (OCTOBER.date(), "2026-10")
    again = adjust(team, "-1", corrects=entry["id"], ext_ref=wanted.ext_ref, reason="x", at=AFTER)
    assert again == first
    later = adjust(team, "-1", corrects=entry["id"], at=AFTER)
    assert (later.posted_on, later.budget_month) == (AFTER.date(), "2026-11")


def test_many_closers_make_one_seal_while_others_book() -> None:
    team, start = a_funded_team("100000", at=AUGUST), Barrier(8)
    jobs = [hold(team, "10", at=OCTOBER) for _ in range(4)]

    def book(job: object) -> None:
        start.wait()
        charge(team, job, 1_000_000, at=OCTOBER)  # type: ignore[arg-type]

    def closer(_: int) -> costs.PeriodView:
        start.wait()
        return close("2026-10")

    with ThreadPoolExecutor(8) as pool:
        booked, closed = [pool.submit(book, job) for job in jobs], [pool.submit(closer, n) for n in range(4)]
        views = [one.result(timeout=20) for one in closed]
        assert [one.result(timeout=20) for one in booked] == [None] * 4
    assert {view.revision for view in views} == {1}
    assert len({view.seal.head for view in views if view.seal}) == 1
    assert views[0].entries == sum(day <= date(2026, 10, 31) for day in posted(team))
    assert verdict("2026-10").intact


def test_reopening_waits_for_whoever_is_sealing() -> None:
    spend(a_funded_team(at=AUGUST), 1_000_000, at=OCTOBER)
    with unit_of_work(FINANCE) as session:
        costs.close_period(session, FINANCE, month("2026-10"), at=AFTER)
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(FINANCE) as session:
            costs.seal_closed(session, FINANCE, at=AFTER)
            reopening = pool.submit(reopen, "2026-10")
            wait_until_blocked(reopening)
        reopening.result(timeout=5)
    assert show("2026-10").state == "open"
    assert close("2026-10").revision == 2
    assert verdict("2026-10").revision == 2


def test_a_closing_that_died_before_its_seal_is_made_up_for_by_the_next() -> None:
    spend(a_funded_team(at=AUGUST), 1_000_000, at=SEPTEMBER)
    with unit_of_work(FINANCE) as session:
        costs.close_period(session, FINANCE, month("2026-09"), at=AFTER)
    assert show("2026-09").seal is None
    close("2026-10")
    september, october = show("2026-09").seal, show("2026-10").seal
    assert september is not None and october is not None  # noqa: PT018
    assert october.previous == september.head


def test_no_role_posts_into_a_closed_month_by_hand() -> None:
    team = a_funded_team(at=AUGUST)
    spend(team, 1_000_000, at=OCTOBER)
    close("2026-10")
    copy = """
        INSERT INTO ledger_entries (id, team_id, kind, meter, debit_account, credit_account, amount, currency,
            charged_at, posted_on, ext_ref, price_id, quantity, accrued, provider, description)
        SELECT gen_random_uuid(), team_id, kind, meter, debit_account, credit_account, amount, currency,
            charged_at, :day, 'copy:' || id, price_id, quantity, accrued, provider, description
        FROM ledger_entries WHERE team_id = :team LIMIT 1
    """
    for day in (date(2026, 10, 9), date(2026, 9, 9)):
        with pytest.raises(DBAPIError, match="is closed"), unit_of_work(acting_for(team)) as session:
            session.execute(text(copy), {"team": team.id, "day": day})


def test_months_are_listed_from_the_present_back_to_the_first_entry() -> None:
    team = a_funded_team(at=AUGUST)
    spend(team, 1_000_000, at=AUGUST), spend(team, 1_000_000, at=OCTOBER)
    close("2026-08")
    with read_only(FINANCE) as session:
        page = costs.list_periods(session, after=None, limit=2, at=AFTER, team_id=None)
        rest = costs.list_periods(session, after=month(page.last_id or ""), limit=2, at=AFTER, team_id=None)
    assert [(one.month, one.state, one.entries) for one in [*page.data, *rest.data]] == [
        ("2026-11", "open", None), ("2026-10", "open", None), ("2026-09", "open", None), ("2026-08", "closed", 1),
    ]  # fmt: skip
    assert (page.has_more, rest.has_more) == (True, False)
    with read_only(acting_for(team)) as session:
        own = costs.list_periods(session, after=None, limit=9, at=AFTER, team_id=team.id)
    assert [(one.state, one.entries, one.seal) for one in own.data][-1] == ("closed", None, None)


def test_without_any_entry_there_is_the_present_month() -> None:
    with read_only(FINANCE) as session:
        page = costs.list_periods(session, after=None, limit=2, at=AFTER, team_id=None)
    assert [(one.month, one.state) for one in page.data] == [("2026-11", "open")]


def test_closing_and_reopening_are_in_the_audit() -> None:
    close("2026-10")
    reopen("2026-10", "because")
    with read_only(CLI) as session:
        rows = session.execute(
            text("SELECT action, actor, after FROM audit_entries WHERE object_type = 'billing_period' ORDER BY id DESC")
        ).all()
    assert [(row.action, row.actor) for row in rows[:2]] == [
        ("period.reopened", "finance"), ("period.closed", "finance"),
    ]  # fmt: skip
    assert rows[0].after["reason"] == "because"
