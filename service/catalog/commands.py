"""Writes of the catalog: loading the seed, which may be done at every deployment."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.catalog import seed
from service.catalog.models import BaseModel, Price
from service.catalog.rules import STANDARD
from service.kit.ids import new_id

_MODEL_KEY: Final = ("provider", "id")
_PRICE_KEY: Final = ("provider", "model", "meter", "effective_from")  # of the standard tier, all the seed knows
SEED: Final = "seed"
_PRICED: Final = ("amount", "unit_quantity", "currency")


class PriceChanged(Exception):
    """The seed contradicts a price that may have been charged already: a new price needs a later day of its own."""


def load_seed(session: Session, offers: Sequence[seed.Offer] | None = None) -> None:
    """Bring base models and prices in line with `offers`, those of the data files. Needs an operator's unit.

    Again changes nothing. Models are updated; prices are only ever added, and what somebody has entered for the same
    instant stands. Raises PriceChanged where an offer alters what an earlier one said.
    """
    for offer in offers or seed.offers():
        _upsert_models(session, offer.models)
        _add_prices(session, offer.prices)


def _upsert_models(session: Session, models: list[seed.Row]) -> None:
    statement = insert(BaseModel)
    changed = {name: statement.excluded[name] for name in models[0] if name not in _MODEL_KEY}
    session.execute(statement.on_conflict_do_update(index_elements=_MODEL_KEY, set_=changed), models)


def _add_prices(session: Session, prices: list[seed.Row]) -> None:
    session.execute(insert(Price).on_conflict_do_nothing(), [{"id": new_id(), **price} for price in prices])
    providers = {price["provider"] for price in prices}
    book = session.scalars(select(Price).where(Price.provider.in_(providers), Price.tier == STANDARD))
    known = {tuple(getattr(row, name) for name in _PRICE_KEY): row for row in book}
    for price in prices:
        row = known[tuple(price[name] for name in _PRICE_KEY)]
        if row.created_by == SEED and any(getattr(row, name) != price[name] for name in _PRICED):
            raise PriceChanged(f"{price} is {row.amount} {row.currency} per {row.unit_quantity} in the price book")
