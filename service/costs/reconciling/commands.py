"""Writes of reconciliation: the provider's bill as it was told, how each day compares, and what is booked about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import webhooks
from service.connections import MeteredAccount
from service.costs.reconciling.models import Finding, ProviderCost, Reconciliation
from service.costs.reconciling.rules import (
    TOLERANCE,
    About,
    Cause,
    Difference,
    Sides,
    Subject,
    differences,
    state_of,
)
from service.costs.reconciling.sides import Compared, by_subject, compared
from service.kit import money
from service.kit.ids import new_id, show
from service.provider.shapes import RemoteCost


def take(
    session_as_operator: Session, account: MeteredAccount, told: Iterable[RemoteCost], *, since: date, until: date,
    at: datetime,
) -> None:  # fmt: skip
    """Keep the bill of the days from `since` up to, not including, `until`, instead of what was told of them before.

    A project that another account tells of too is that one's.
    """
    session, sums = session_as_operator, dict[tuple[object, ...], RemoteCost]()
    for one in told:
        key = (one.day, one.project, one.api_key, one.line_item)
        known = sums.get(key)
        sums[key] = one if known is None else _sum(known, one)
    of_days = (ProviderCost.connection_id == account.id, ProviderCost.day >= since, ProviderCost.day < until)
    session.execute(delete(ProviderCost).where(*of_days))
    anothers = _anothers(session, account, since, until)
    lines = [_line(account, one, at) for one in sums.values() if (one.project, one.day) not in anothers]
    if lines:
        session.execute(insert(ProviderCost), lines)


def _sum(one: RemoteCost, other: RemoteCost) -> RemoteCost:
    """Told twice, apart by something we did not ask for."""
    same_unit = one.quantity_unit == other.quantity_unit and None not in (one.quantity, other.quantity)
    quantity = sum((one.quantity or money.ZERO, other.quantity or money.ZERO)) if same_unit else None
    return replace(one, amount=one.amount + other.amount, quantity=None if quantity is None else Decimal(quantity))


def _anothers(session: Session, account: MeteredAccount, since: date, until: date) -> set[tuple[str, date]]:
    """Projects and days that another account tells of: two keys of one organisation tell the same."""
    told = select(ProviderCost.project, ProviderCost.day).where(
        ProviderCost.connection_id != account.id,
        ProviderCost.project != "",
        ProviderCost.day >= since,
        ProviderCost.day < until,
    )
    return {(project, day) for project, day in session.execute(told.distinct())}


def _line(account: MeteredAccount, one: RemoteCost, at: datetime) -> dict[str, object]:
    return {
        "connection_id": account.id,
        "day": one.day,
        "project": one.project or "",
        "api_key": one.api_key or "",
        "line_item": one.line_item,
        "amount": money.amount(one.amount),
        "currency": one.currency,
        "quantity": one.quantity,
        "quantity_unit": one.quantity_unit,
        "read_at": at,
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """A difference with what it is about."""

    label: str
    subject: Subject
    billed: Decimal
    booked: Decimal
    difference: Difference

    @property
    def key(self) -> tuple[str, str, str, str]:
        one = self.difference
        return (one.cause, one.project, one.api_key, self.label)


def compare(
    session_as_operator: Session, account: MeteredAccount, day: date, *, is_settled: bool, at: datetime
) -> list[UUID]:
    """Write how the day compares, tell once of each difference that is no matter of time; the entries to be confirmed.

    Those are the amounts we worked out ourselves and the provider's bill agrees with. A day with nothing on either side
    has no row.
    """
    session = session_as_operator
    today = compared(session, account, day)
    if not today.sides and not today.outside:
        return []
    excess_beside = by_subject(compared(session, account, day + timedelta(days=n)) for n in (-1, 1))
    found = _found(today, excess_beside, is_settled=is_settled)
    row = _upsert(session, account, today, at)
    findings = _keep(session, row, found)
    _settle_state(session, row, findings, at)
    return _agreed(today, findings)


def _found(today: Compared, excess_beside: Callable[[Subject], list[Decimal]], *, is_settled: bool) -> list[_Found]:
    made = [
        _Found(label_of(subject), subject, sides.billed, sides.booked, one)
        for subject, sides in today.sides.items()
        for one in differences(subject, sides, is_settled=is_settled, beside=excess_beside(subject))
    ]
    return [one for one in made if one.difference.cause is not Cause.UNMAPPED_KEY] + _by_key(made, today)


def _by_key(made: Sequence[_Found], today: Compared) -> list[_Found]:
    """What is nobody's by key, not by meter: one owner is missing, not three."""
    nobodys: dict[tuple[str, str], list[_Found]] = {}
    for one in made:
        if one.difference.cause is Cause.UNMAPPED_KEY:
            nobodys.setdefault((one.difference.project, one.difference.api_key), []).append(one)
    return [
        replace(
            found[0],
            label="",
            subject=replace(found[0].subject, base_model=None, meter=None),
            billed=sum((one.billed for one in found), money.ZERO),
            booked=sum((today.sides[one.subject].nobodys for one in found), money.ZERO),
        )
        for found in nobodys.values()
    ]


def label_of(subject: Subject) -> str:
    """As the provider names lines of one base; of what is unknown its own name."""
    if subject.about is About.UNKNOWN:
        return subject.line_item
    tier = "" if subject.tier == "standard" else f", {subject.tier}"
    return f"{subject.base_model}, {subject.meter}{tier}"


def _upsert(session: Session, account: MeteredAccount, today: Compared, at: datetime) -> Reconciliation:
    """The day's row, locked."""
    facts = {
        "billed": sum((sides.billed for sides in today.sides.values()), money.ZERO),
        "booked": sum((sides.booked for sides in today.sides.values()), money.ZERO),
        "outside": today.outside,
        "currency": today.currency or money.CURRENCY,
        "read_at": at,
        "checked_at": at,
    }
    row = insert(Reconciliation).values(
        id=new_id(), connection_id=account.id, provider=account.provider, day=today.day, state="matched", **facts
    )
    done = row.on_conflict_do_update(index_elements=["connection_id", "day"], set_=facts).returning(Reconciliation)
    return session.scalars(done, execution_options={"populate_existing": True}).one()


def _keep(session: Session, row: Reconciliation, found: Sequence[_Found]) -> list[Finding]:
    """The day's findings as they are now; one that is gone has no amount, but what was booked about it."""
    kept = session.scalars(select(Finding).where(Finding.reconciliation_id == row.id).with_for_update()).all()
    known = {(one.cause, one.project, one.api_key, one.line_item): one for one in kept}
    for finding in kept:
        finding.amount, finding.is_there = money.ZERO, False
    for one in found:
        if one.key not in known:
            cause, project, api_key, label = one.key
            known[one.key] = Finding(
                id=new_id(), reconciliation_id=row.id, cause=cause, project=project, api_key=api_key,
                line_item=label, base_model=one.subject.base_model, meter=one.subject.meter, adjusted=money.ZERO,
                pending=money.ZERO, revision=0,
            )  # fmt: skip
            session.add(known[one.key])
        finding = known[one.key]
        finding.billed, finding.booked, finding.amount = one.billed, one.booked, one.difference.amount
        finding.detail, finding.corrects, finding.is_there = one.difference.detail, one.difference.corrects, True
    return list(known.values())


def is_open(finding: Finding) -> bool:
    """Whether something is left to be done, or waited for."""
    if finding.cause == Cause.UNMAPPED_KEY:
        return finding.is_there
    return abs(left_of(finding)) > TOLERANCE


def left_of(finding: Finding) -> Decimal:
    """What was billed beyond the ledger and is not booked yet; below zero the other way round."""
    return finding.amount - finding.adjusted


def _settle_state(session: Session, row: Reconciliation, findings: Sequence[Finding], at: datetime) -> None:
    still = [one for one in findings if is_open(one)]
    row.state = state_of([Cause(one.cause) for one in still])
    for one in still:
        if one.cause != Cause.TIMING and one.told_at is None:
            one.told_at = at
            webhooks.publish(
                session, None, webhooks.EventType.RECONCILIATION_MISMATCH, at,
                id=show("recon", row.id), day=row.day.isoformat(), connection=show("conn", row.connection_id),
                cause=one.cause, line_item=one.line_item, amount=money.text(one.amount),
            )  # fmt: skip


def _agreed(today: Compared, findings: Sequence[Finding]) -> list[UUID]:
    adjusted: dict[str, Decimal] = {}
    for one in findings:
        adjusted[one.line_item] = adjusted.get(one.line_item, money.ZERO) + one.adjusted
    return [
        accrued.entry
        for subject, sides in today.sides.items()
        if subject.about is About.TRAINING and _agrees(sides, adjusted.get(label_of(subject), money.ZERO))
        for accrued in sides.accrued
    ]


def _agrees(sides: Sides, adjusted: Decimal) -> bool:
    return bool(sides.lines or adjusted) and abs(sides.billed - sides.booked - adjusted) <= sides.tolerance


def oldest_open(session: Session, account: MeteredAccount, *, since: date) -> date | None:
    """The first day from `since` on that is not matched: what is told late is still looked for."""
    return session.scalar(
        select(func.min(Reconciliation.day)).where(
            Reconciliation.connection_id == account.id, Reconciliation.day >= since, Reconciliation.state != "matched"
        )
    )
