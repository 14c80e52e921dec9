"""Reads of the catalog. Instants come in as `at`; what a day is, is decided in UTC."""

from collections import defaultdict
from dataclasses import fields
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import and_, any_, func, literal, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from service.catalog import rules
from service.catalog.errors import PriceUnknown, UnknownBaseModel, UnknownProvider
from service.catalog.models import BaseModel, Price
from service.catalog.rules import STANDARD, BaseModelFacts, PriceFacts
from service.catalog.schemas import BaseModelView, PriceRowView
from service.kit import ids


def offered(session: Session, provider: str) -> dict[str, BaseModelFacts]:
    """Every snapshot of the provider by its id, retired ones too."""
    rows = session.scalars(select(BaseModel).where(BaseModel.provider == provider).order_by(BaseModel.id))
    return {row.id: _model_facts(row) for row in rows}


def check_provider(session: Session, provider: str, *, pointer: str) -> None:
    """Raises UnknownProvider where no base model is of that one."""
    known = session.scalars(select(BaseModel.provider).distinct().order_by(BaseModel.provider)).all()
    if provider not in known:
        raise UnknownProvider(provider=provider, known=", ".join(known), pointer=pointer)


def base_model(session: Session, provider: str, model: str) -> BaseModelFacts:
    """The snapshot of that id or undated alias, retired or not. Raises UnknownBaseModel."""
    found = rules.resolve(offered(session, provider).values(), model)
    if found is None:
        raise UnknownBaseModel(
            model=model, provider=provider, advice="GET /v1/base-models lists those there are", pointer="#/model"
        )
    return found


def snapshots(session: Session, name: str, *, pointer: str) -> list[str]:
    """Ids of the snapshots that any provider has by that id or undated alias. Raises UnknownBaseModel."""
    asked = or_(BaseModel.id == name, literal(name) == any_(BaseModel.aliases))
    found = list(session.scalars(select(BaseModel.id).where(asked).distinct().order_by(BaseModel.id)))
    if not found:
        advice = "GET /v1/base-models lists those there are"
        raise UnknownBaseModel(model=name, provider="any provider", advice=advice, pointer=pointer)
    return found


def trainable(
    session: Session, provider: str, model: str, at: datetime, method: str | None = "supervised"
) -> BaseModelFacts:
    """The snapshot, if a job can be created on it at that instant.

    Raises UnknownBaseModel or NotTrainable (or its ModelRetired, TrainingClosed, MethodUnsupported); each names what to
    train instead. `method=None` asks for any method.
    """
    there = offered(session, provider)
    found = rules.resolve(there.values(), model)
    if found is None:
        advice = rules.what_is_left(there.values(), provider, day_of(at), method)
        raise UnknownBaseModel(model=model, provider=provider, advice=advice, pointer="#/model")
    refused = rules.refusal(there, found, day_of(at), method)
    if refused is not None:
        raise refused
    return found


def trainable_models(session: Session, provider: str, at: datetime) -> list[BaseModelFacts]:
    """All snapshots of the provider on which a job can be created at that instant, by id."""
    return [one for one in offered(session, provider).values() if rules.is_trainable(one, day_of(at))]


def price(session: Session, provider: str, model: str, meter: str, at: datetime, *, tier: str = STANDARD) -> PriceFacts:
    """The price in force at that instant. `model` is a snapshot's id, not an alias. Raises PriceUnknown."""
    row = session.scalars(
        select(Price)
        .where(Price.provider == provider, Price.model == model, Price.meter == meter, Price.tier == tier)
        .where(Price.effective_from <= at)
        .order_by(Price.effective_from.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise PriceUnknown(meter=meter.replace("_", " "), model=model, provider=provider, tier=tier, day=day_of(at))
    return _price_facts(row)


def price_by_id(session: Session, price_id: UUID) -> PriceFacts:
    """The very row a job was priced with. It never changes, so its id is all there is to freeze."""
    return _price_facts(session.get_one(Price, price_id))


def prices(
    session: Session, at: datetime, *, provider: str | None = None, model: str | None = None
) -> list[PriceFacts]:
    """Every price in force at that instant, by provider, model and meter."""
    found = select(Price).where(Price.effective_from <= at)
    if provider is not None:
        found = found.where(Price.provider == provider)
    if model is not None:
        found = found.where(Price.model == model)
    meters = (Price.provider, Price.model, Price.meter, Price.tier)
    rows = session.scalars(found.ext(distinct_on(*meters)).order_by(*meters, Price.effective_from.desc()))
    return [_price_facts(row) for row in rows]


def price_list(
    session: Session, at: datetime | None, *, after: UUID | None = None, limit: int | None = None, **only: str | None
) -> list[PriceRowView]:
    """Rows of the price book with their ends, by provider, model, meter and tier, the latest first.

    Those in force at an instant or, with None, all there are and will be. `only` is any of provider, model, meter and
    tier; `after` the last row of the page before. Raises UnknownId.
    """
    meters = (Price.provider, Price.model, Price.meter, Price.tier)
    ends = func.lead(Price.effective_from).over(partition_by=meters, order_by=Price.effective_from)
    book = select(Price, ends.label("effective_until")).subquery()
    row = aliased(Price, book)
    of_meter = (row.provider, row.model, row.meter, row.tier)
    found = select(row, book.c.effective_until).order_by(*of_meter, row.effective_from.desc()).limit(limit)
    if at is not None:
        found = found.where(row.effective_from <= at, func.coalesce(book.c.effective_until > at, true()))
    for name, value in only.items():
        if value is not None:
            found = found.where(book.c[name] == value)
    if after is not None:
        last = session.get(Price, after)
        if last is None:
            raise ids.UnknownId(what="price", id=ids.show("price", after))
        its = tuple_(last.provider, last.model, last.meter, last.tier)
        earlier = and_(tuple_(*of_meter) == its, row.effective_from < last.effective_from)
        found = found.where(or_(tuple_(*of_meter) > its, earlier))
    return [
        PriceRowView.of_row(_price_facts(one), until=until, created_by=one.created_by, created_at=one.created_at)
        for one, until in session.execute(found)
    ]


def list_base_models(session: Session, at: datetime, *, provider: str | None = None) -> list[BaseModelView]:
    """Every snapshot as shown, by provider and id, with what is possible at that instant and its prices then."""
    found = select(BaseModel).order_by(BaseModel.provider, BaseModel.id)
    if provider is not None:
        found = found.where(BaseModel.provider == provider)
    models = [_model_facts(row) for row in session.scalars(found)]
    there: dict[str, dict[str, BaseModelFacts]] = defaultdict(dict)
    for one in models:
        there[one.provider][one.id] = one
    book = defaultdict(list)
    for listed in prices(session, at, provider=provider):
        book[listed.provider, listed.model].append(listed)
    return [
        BaseModelView.of(one, rules.refusal(there[one.provider], one, day_of(at)), book[one.provider, one.id])
        for one in models
    ]


def day_of(at: datetime) -> date:
    """The provider's dates are days in UTC."""
    return at.astimezone(UTC).date()


def _model_facts(row: BaseModel) -> BaseModelFacts:
    copied = {field.name: getattr(row, field.name) for field in fields(BaseModelFacts)}
    return BaseModelFacts(**copied | {"aliases": tuple(row.aliases), "methods": tuple(row.methods)})


def _price_facts(row: Price) -> PriceFacts:
    return PriceFacts(**{field.name: getattr(row, field.name) for field in fields(PriceFacts)})
