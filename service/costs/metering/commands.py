"""Writes of usage: what the provider has told, whose it is, and the entries for it."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit, catalog
from service.catalog import PriceFacts, PriceUnknown
from service.connections import ConnectionFacts, MeteredAccount
from service.costs import posting
from service.costs.errors import UsageOwnerNotFound
from service.costs.metering import queries
from service.costs.metering.models import OwnedModel, ProviderReading, UsageDay, UsageOwner
from service.costs.metering.rules import Failure, Owners, combined, metered, told_as_other_meters
from service.costs.metering.schemas import UsageOwnerView
from service.costs.posting import Posting
from service.costs.rules import quote
from service.kit import money
from service.kit.identity import Actor
from service.kit.ids import new_id, show
from service.provider.shapes import RemoteUsage
from service.tenants import TeamFacts

BATCH: Final = 500
"""Lines that one unit of work books."""


def own_model(
    session: Session, team_id: UUID, model: str, *, connection_id: UUID | None, base_model: str,
    version_id: UUID | None = None,
) -> None:  # fmt: skip
    """The team's job has made the model: what it is used for is theirs, unless a key's or project's owner is known."""
    row = insert(OwnedModel).values(
        team_id=team_id, model=model, connection_id=connection_id, base_model=base_model, version_id=version_id
    )
    version = func.coalesce(row.excluded.version_id, OwnedModel.version_id)
    session.execute(row.on_conflict_do_update(index_elements=["team_id", "model"], set_={"version_id": version}))


def take(session_as_operator: Session, account: MeteredAccount, told: Sequence[RemoteUsage], *, at: datetime) -> None:
    """Keep what was told of tuned models; what is new, more or less is to be booked. Again, it changes nothing.

    A meter that a line told of before and does not any more is at zero: its tokens are told as another's by now. A
    project that another account tells of too is that one's: two keys of one organisation tell the same twice.
    """
    session = session_as_operator
    posting.share_ledger(session)  # before any row, as whoever books the lines: `allocate` may follow
    owners = queries.owners(session, account.id, {one.model for one in told})
    snapshots = {name: one.id for one in catalog.offered(session, account.provider).values() for name in one.aliases}
    anothers: set[tuple[str, date]] = set()
    kept, told_of = dict[tuple[object, ...], UsageDay](), set[tuple[object, ...]]()
    if told:
        days = (min(one.day for one in told), max(one.day for one in told))
        anothers = _anothers(session, account, *days)
        found = select(UsageDay).where(UsageDay.connection_id == account.id, UsageDay.day.between(*days))
        kept = {_key(row): row for row in session.scalars(found.order_by(UsageDay.id).with_for_update())}
    for one in combined(told):
        base = owners.base_of(one.model)
        if base is not None and (one.project or "", one.day) not in anothers:
            for row in _lines(account, one, snapshots.get(base, base)):
                _keep(session, kept.setdefault(_key(row), row), row, owners, at)
                told_of.add(_key(row))
    for key in told_as_other_meters(kept, told_of):
        kept[key].quantity, kept[key].read_at = 0, at


def _anothers(session: Session, account: MeteredAccount, first: date, last: date) -> set[tuple[str, date]]:
    """Projects and days of which another account has told."""
    told = select(UsageDay.project, UsageDay.day).where(
        UsageDay.connection_id != account.id, UsageDay.project != "", UsageDay.day.between(first, last)
    )
    return {(project, day) for project, day in session.execute(told.distinct())}


def _key(row: UsageDay) -> tuple[object, ...]:
    return (row.day, row.project, row.api_key, row.model, row.tier, row.meter)


def _lines(account: MeteredAccount, usage: RemoteUsage, base: str) -> list[UsageDay]:
    return [
        UsageDay(
            id=new_id(),
            connection_id=account.id,
            provider=account.provider,
            day=usage.day,
            project=usage.project or "",
            api_key=usage.api_key or "",
            model=usage.model,
            base_model=base,
            tier=usage.tier,
            meter=meter,
            requests=usage.requests if meter == "input_tokens" else 0,
            quantity=tokens,
            booked=0,
            amount=money.ZERO,
            revision=0,
            is_unpriced=False,
        )
        for meter, tokens in metered(usage).items()
    ]


def _keep(session: Session, row: UsageDay, told: UsageDay, owners: Owners, at: datetime) -> None:
    """Write what was told into the row, which is `told` itself where it is new; who has it booked keeps it."""
    row.quantity, row.requests, row.read_at = told.quantity, told.requests, at
    if not row.booked:
        _give(row, owners)
    if row is told:
        session.add(row)


def _give(row: UsageDay, owners: Owners) -> None:
    made = owners.made.get(row.model)
    row.team_id, row.owner = owners.of(row.project, row.api_key, row.model)
    row.version_id = made.version_id if made and made.team_id == row.team_id else None


def allocate(session_as_operator: Session, account: MeteredAccount, *, at: datetime) -> None:
    """Move what is nobody's to the team that is known to own it by now, whichever day it was; it is booked there next.

    From one team to another nothing moves.
    """
    session = session_as_operator
    posting.share_ledger(session)
    said = select(UsageOwner.id).where(
        UsageOwner.connection_id == UsageDay.connection_id,
        or_(
            and_(UsageOwner.kind == "api_key", UsageOwner.external_id == UsageDay.api_key),
            and_(UsageOwner.kind == "project", UsageOwner.external_id == UsageDay.project),
        ),
    )
    made = select(OwnedModel.model).where(OwnedModel.model == UsageDay.model)
    found = (
        select(UsageDay)
        .where(UsageDay.connection_id == account.id, UsageDay.team_id.is_(None), or_(said.exists(), made.exists()))
        .order_by(UsageDay.id)
        .with_for_update(of=UsageDay)
        .limit(BATCH)
    )
    rows, prices = session.scalars(found).all(), _prices(session)
    owners = queries.owners(session, account.id, {row.model for row in rows})
    for row in rows:
        if row.booked:
            _post(session, None, row, -row.booked, prices, at=at)
        _give(row, owners)


def book(session: Session, team: TeamFacts | None, *, at: datetime) -> int:
    """Book what the ledger lacks of the team's usage, or of nobody's; how many lines are done, at most BATCH.

    Only the difference to what is booked, under the line's lock, so that however often it is told it is booked once.
    Without a price nothing is booked: the line says so and is tried again. Needs a unit of the team, or an operator's.
    """
    posting.share_ledger(session)
    whose = UsageDay.team_id.is_(None) if team is None else UsageDay.team_id == team.id
    found = (
        select(UsageDay).where(whose, UsageDay.quantity != UsageDay.booked).order_by(UsageDay.is_unpriced, UsageDay.id)
    )
    done, prices = 0, _prices(session)
    for row in session.scalars(found.with_for_update().limit(BATCH)):
        try:
            _post(session, team, row, row.quantity - row.booked, prices, at=at)
        except PriceUnknown:
            row.is_unpriced = True
        else:
            done, row.is_unpriced = done + 1, False
    return done


_PriceOf = Callable[[str, str, str, str, date], PriceFacts]


def _prices(session: Session) -> _PriceOf:
    """The price in force as the day began: providers tell of whole days."""

    @cache
    def price(provider: str, base_model: str, meter: str, tier: str, day: date) -> PriceFacts:
        return catalog.price(session, provider, base_model, meter, queries.midnight(day), tier=tier)

    return price


def _post(
    session: Session, team: TeamFacts | None, row: UsageDay, quantity: int, prices: _PriceOf, *, at: datetime
) -> None:
    """Raises PriceUnknown."""
    price = prices(row.provider, row.base_model, row.meter, row.tier, row.day)
    amount = quote(price, abs(quantity)) * (1 if quantity > 0 else -1)
    row.booked, row.amount, row.revision = row.booked + quantity, row.amount + amount, row.revision + 1
    posting.post(
        session,
        team,
        Posting(
            kind="inference",
            meter=row.meter,
            amount=amount,
            charged_at=queries.midnight(row.day),
            ext_ref=f"usage:{row.id}:{row.revision}:{row.booked}",
            provider=row.provider,
            description=f"Inference on {row.model}: {quantity} {row.meter.replace('_', ' ')} of {row.day}",
            quantity=quantity,
            price=price,
            connection_id=row.connection_id,
            base_model=row.base_model,
            model=row.model,
            version_id=row.version_id,
        ),
        at=at,
    )


def note_reading(
    session_as_operator: Session, connection_id: UUID, what: str, *, at: datetime, through: date | None = None,
    newest_day: date | None = None, failure: Failure | None = None, message: str | None = None,
) -> None:  # fmt: skip
    """Write down that the account was read up to a day, or why not; what was read before stays known."""
    noted: dict[str, Any] = {"asked_at": at, "failure": failure, "message": message}
    if failure is None:
        noted |= {"read_at": at, "through": through}
    row = insert(ProviderReading).values(connection_id=connection_id, what=what, newest_day=newest_day, **noted)
    newest = func.greatest(ProviderReading.newest_day, row.excluded.newest_day)
    session_as_operator.execute(
        row.on_conflict_do_update(index_elements=["connection_id", "what"], set_=noted | {"newest_day": newest})
    )


def set_owner(
    session: Session, actor: Actor, connection: ConnectionFacts, *, kind: str, external_id: str, team: TeamFacts
) -> UsageOwnerView:
    """From now on, what the key or project uses is the team's; what was booked on nobody moves at the next reading."""
    row = insert(UsageOwner).values(
        id=new_id(), connection_id=connection.id, kind=kind, external_id=external_id, team_id=team.id,
        changed_by=actor.name,
    )  # fmt: skip
    anew = {"team_id": team.id, "changed_by": actor.name, "changed_at": func.now()}
    done = row.on_conflict_do_update(index_elements=["connection_id", "kind", "external_id"], set_=anew)
    owner = session.scalars(done.returning(UsageOwner), execution_options={"populate_existing": True}).one()
    _note(session, actor, "usage_owner.set", owner, team=team.slug)
    return queries.owner_view(owner, team.slug)


def remove_owner(session: Session, actor: Actor, connection: ConnectionFacts, *, kind: str, external_id: str) -> None:
    """From now on nobody has said whose it is; what is booked stays. Raises UsageOwnerNotFound."""
    gone = delete(UsageOwner).where(
        UsageOwner.connection_id == connection.id, UsageOwner.kind == kind, UsageOwner.external_id == external_id
    )
    owner = session.scalars(gone.returning(UsageOwner)).one_or_none()
    if owner is None:
        raise UsageOwnerNotFound(kind=kind.replace("_", " "), external_id=external_id, connection=connection.name)
    _note(session, actor, "usage_owner.removed", owner)


def _note(session: Session, actor: Actor, action: str, owner: UsageOwner, **after: str) -> None:
    audit.record(
        session,
        actor,
        action,
        object_type="usage_owner",
        object_id=show("uown", owner.id),
        after={"kind": owner.kind, "external_id": owner.external_id, **after},
    )
