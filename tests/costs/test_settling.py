"""Booking what is left of a difference, when others compare, book or record the same at that moment, or nobody does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from service import costs
from service.cli.local import LocalStack
from service.costs.flows import reconcile
from service.costs.reconciling.settling import Settlement
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.ids import show
from tests.costs.metered import Organisation, an_organisation
from tests.emulator.world import Emulator
from tests.until import until

pytestmark = pytest.mark.usefixtures("quiet")

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def running_emulator(quiet: LocalStack) -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def organisation(running_emulator: Emulator) -> Iterator[Organisation]:
    """Its bill has 0.25 that nobody knows of."""
    with an_organisation(running_emulator, project=f"proj_{uuid4().hex[:12]}") as organisation:
        organisation.emulator.tell(
            "/discrepancies", kind="extra", project=organisation.project, at=NOON.timestamp(),
            line_item="attic, storage", api_key="key_attic", amount="0.25",
        )  # fmt: skip
        reconcile(AT)
        yield organisation
    running_emulator.reset()


def the_day(organisation: Organisation) -> costs.ReconciliationDetail:
    wanted = costs.DayFilter(costs.period("2026-11"), connection_id=organisation.connection)
    with read_only(CLI) as session:
        (one,) = costs.list_reconciliations(session, wanted, after=None, limit=9).data
        return costs.show_reconciliation(session, one.id)


def claimed(organisation: Organisation) -> Settlement:
    with unit_of_work(CLI) as session:
        (one,) = costs.claim_settlements(session, the_day(organisation).id, None)
    return one


def record(one: Settlement) -> None:
    with unit_of_work(CLI) as session:
        costs.record_settlement(session, one)


def booked(organisation: Organisation) -> list[Decimal]:
    return [entry["amount"] for entry in organisation.entries()]


def test_what_was_frozen_and_never_booked_does_not_pass_for_matched(organisation: Organisation) -> None:
    one = claimed(organisation)
    reconcile(AT)  # whoever claimed it died
    day = the_day(organisation)
    assert (day.state, day.residual, booked(organisation)) == ("mismatch", Decimal("0.25"), [])
    assert claimed(organisation) == one


def test_what_another_could_not_book_is_booked_once(organisation: Organisation) -> None:
    """Two ask at once, and one of them for a team that cannot pay: it lets go of what the other is just booking."""
    one = claimed(organisation)
    with unit_of_work(CLI) as session:
        costs.book_settlement(session, CLI, None, one, reason="first", at=AT)
        record(one)  # the other's, who sees no entry
    another = claimed(organisation)
    record(one)
    with unit_of_work(CLI) as session:
        costs.book_settlement(session, CLI, None, another, reason="second", at=AT)
    record(another)
    day = the_day(organisation)
    assert (booked(organisation), day.adjusted, day.state) == ([Decimal("0.25")], Decimal("0.25"), "matched")


def test_recording_and_comparing_wait_in_one_order(organisation: Organisation) -> None:
    """Whoever compares has the day and then its findings; whoever records must not have a finding and want the day."""
    one = claimed(organisation)
    with unit_of_work(CLI) as session:
        costs.book_settlement(session, CLI, None, one, reason="found", at=AT)
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(CLI) as session:
            day = the_day(organisation)
            session.execute(
                text("SELECT 1 FROM reconciliations WHERE connection_id = :id FOR UPDATE"),
                {"id": organisation.connection},
            )
            me = session.scalar(text("SELECT pg_backend_pid()"))
            recording = pool.submit(record, one)
            until(lambda: waits_for(me), what="the recording to wait")
            findings = text("SELECT 1 FROM reconciliation_findings WHERE id = :id FOR UPDATE NOWAIT")
            session.execute(findings, {"id": one.finding_id})
        recording.result()
    assert (day.state, the_day(organisation).state) == ("mismatch", "matched")
    assert show("find", one.finding_id) == the_day(organisation).findings[0].id


def waits_for(backend: int | None) -> bool:
    with unit_of_work(CLI) as session:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE :backend = ANY(pg_blocking_pids(pid))")
        return bool(session.scalar(query, {"backend": backend}))
