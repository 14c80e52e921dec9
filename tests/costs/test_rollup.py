"""Sums that are the ledger's at any moment, whoever books meanwhile."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from service import costs
from service.cli import costs as command
from service.costs.models import COST_DAYS
from service.kit.db import DatabaseBusy, read_only, unit_of_work
from service.kit.identity import CLI, SYSTEM
from service.tenants import TeamFacts
from tests.costs.factories import a_price, charge, charge_in, spend
from tests.quotas.factories import a_funded_team, hold
from tests.tenants.factories import acting_for
from workers.schedule import fold_costs

AT: Final = datetime(2031, 5, 31, 23, 30, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("quiet")  # sums are of all teams


def booked_through() -> int:
    with unit_of_work(SYSTEM) as session:
        return costs.booked_through(session)


def fold_in_small_batches() -> None:
    through, more = booked_through(), True
    while more:
        with unit_of_work(SYSTEM) as session:
            more = costs.fold(session, through, batch=3)


def rebuild() -> None:
    through = booked_through()
    with unit_of_work(SYSTEM) as session:
        costs.rebuild(session, through)


def differences() -> list[costs.Difference]:
    with read_only(CLI) as session:
        return costs.differences(session)


def watermark() -> int:
    with read_only(CLI) as session:
        return int(session.scalars(text("SELECT through_seq FROM cost_rollup")).one())


def rows(table: str) -> list[str]:
    with read_only(CLI) as session:
        return list(session.scalars(text(f"SELECT t::text FROM {table} t ORDER BY 1")))  # noqa: S608 - one of two


def book_something(team: TeamFacts, chance: random.Random, price: object) -> None:
    at = AT + timedelta(hours=chance.choice([-40, 0, 1]))
    accrued = chance.random() < 0.5
    spend(team, chance.randrange(1, 10**6), at=at, price=price, accrued=accrued)


def test_sums_are_the_ledgers_after_any_number_of_foldings() -> None:
    chance, price = random.Random(5), a_price()
    teams = [a_funded_team("100000", product="x"), a_funded_team("100000", cost_center="CC-1")]
    for _ in range(4):
        for team in teams * 2:
            book_something(team, chance, price)
        fold_in_small_batches()
        assert differences() == []
    assert watermark() == booked_through() > 0


def test_made_anew_they_are_the_same_and_what_somebody_altered_is_found_and_mended() -> None:
    spend(a_funded_team(), 1_000_000, at=AT)
    fold_costs()
    before = rows("cost_days"), rows("cost_months")
    rebuild()
    assert (rows("cost_days"), rows("cost_months")) == before
    with unit_of_work(SYSTEM) as session:
        session.execute(text("UPDATE cost_days SET settled = settled + 0.0000000001"))
    found = differences()
    assert {tuple(one.row) for one in found} == {tuple(COST_DAYS.columns.keys())}
    assert {(one.table, one.side) for one in found} == {("cost_days", "kept"), ("cost_days", "booked")}
    rebuild()
    assert differences() == []


def test_an_entry_that_is_being_booked_is_waited_for_and_never_passed_by() -> None:
    team, later = a_funded_team(), a_funded_team()
    job, price = hold(team, "6"), a_price()
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(acting_for(team)) as session:
            charge_in(session, team, job, 500_000, price=price)  # has its number, and is not to be seen yet
            with pytest.raises(DatabaseBusy):  # two seconds of patience, no number
                pool.submit(booked_through).result(timeout=10)
        charge(later, hold(later, "6"), 500_000, price=price)
        assert booked_through() >= 2
    fold_costs()
    assert differences() == []


def test_many_that_fold_at_once_count_nothing_twice() -> None:
    chance, price, team = random.Random(7), a_price(), a_funded_team("100000")
    for _ in range(12):
        book_something(team, chance, price)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fold_in_small_batches(), range(4)))
    assert differences() == []
    assert watermark() == booked_through()


def test_no_team_sees_the_sums_of_another() -> None:
    mine, other = a_funded_team(), a_funded_team()
    for team in (mine, other):
        spend(team, 1_000_000, at=AT)
    fold_costs()
    for table in ("cost_days", "cost_months"):
        with read_only(acting_for(mine)) as session:
            seen = set(session.scalars(text(f"SELECT team_id FROM {table}")))  # noqa: S608
        assert seen == {mine.id}


def test_the_command_line_checks_and_mends() -> None:
    spend(a_funded_team(), 1_000_000, at=AT)
    fold_costs()
    run = CliRunner()
    assert (run.invoke(command.app, ["check"]).exit_code, differences()) == (0, [])
    with unit_of_work(SYSTEM) as session:
        session.execute(text("DELETE FROM cost_months"))
    told = run.invoke(command.app, ["check"])
    assert (told.exit_code, "cost_months" in told.output, "rebuild" in told.output) == (1, True, True)
    assert run.invoke(command.app, ["rebuild"]).exit_code == 0
    assert run.invoke(command.app, ["check"]).exit_code == 0
