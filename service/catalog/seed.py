"""Reads the dated data files beside it: what providers offer, and at what price."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import resources
from typing import Any
from uuid import UUID

from service.catalog.errors import UnknownBaseModel
from service.catalog.rules import UNITS, BaseModelFacts, PriceFacts, is_trainable, resolve

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """Rows of both tables for one provider; the prices have no id yet."""

    models: list[Row]
    prices: list[Row]


def offers() -> list[Offer]:
    """What every file offers. A file that is `like` another offers the same, but knows no end after its `as_of`."""
    files = [tomllib.loads(one.read_text()) for one in sorted(_folder(), key=lambda one: one.name)]
    written = {file["provider"]: file for file in files if "like" not in file}
    return [_offer(file, written[file.get("like", file["provider"])]) for file in files]


def trainable_offline(
    provider: str, at: datetime, name: str | None = None
) -> list[tuple[BaseModelFacts, PriceFacts | None]]:
    """What the data files alone say can be trained at that instant, each with its price by the token, if it has one.

    For whoever has no database; the prices have no id. With a `name`, an id or alias, that snapshot alone, whatever has
    become of it. Raises UnknownBaseModel.
    """
    (offer,) = (one for one in offers() if one.models and one.models[0]["provider"] == provider)
    models = [_facts(row) for row in offer.models]
    if name is not None:
        found = resolve(models, name)
        if found is None:
            raise UnknownBaseModel(
                model=name, provider=provider, advice="leave it out to see what there is", pointer=None
            )
        models = [found]
    else:
        models = [one for one in models if is_trainable(one, at.astimezone(UTC).date())]
    return [(one, _price_of(one, offer.prices, at)) for one in models]


def _price_of(model: BaseModelFacts, prices: list[Row], at: datetime) -> PriceFacts | None:
    wanted = {"model": model.id, "meter": "training_tokens"}
    listed = [row for row in prices if wanted.items() <= row.items() and row["effective_from"] <= at]
    newest = max(listed, key=lambda row: row["effective_from"], default=None)
    return None if newest is None else PriceFacts(id=UUID(int=0), **newest)


def _facts(row: Row) -> BaseModelFacts:
    return BaseModelFacts(**row | {"aliases": tuple(row["aliases"]), "methods": tuple(row["methods"])})


def _folder() -> Iterator[Any]:
    return (one for one in resources.files("service.catalog").joinpath("data").iterdir() if one.name.endswith(".toml"))


def _offer(file: Row, content: Row) -> Offer:
    provider, as_of = file["provider"], file.get("as_of")
    models: list[Row] = []
    prices: list[Row] = []
    for model in content["models"]:
        models.append(_model(provider, model, as_of))
        for listed in model.get("prices", []):
            prices.extend(_prices(provider, model["id"], content["currency"], listed))
    return Offer(models, prices)


def _model(provider: str, model: Row, as_of: date | None) -> Row:
    def end(name: str) -> date | None:
        day: date | None = model.get(name)
        return None if day is None or (as_of is not None and day > as_of) else day

    return {
        "provider": provider,
        "id": model["id"],
        "aliases": model.get("aliases", []),
        "methods": model["methods"],
        "format": model.get("format", "chat"),
        "vision": model.get("vision", False),
        "encoding": model["encoding"],
        "example_tokens_max": model["example_tokens_max"],
        "trainable_until": end("trainable_until"),
        "shutdown_date": end("shutdown_date"),
        "replacement": model.get("replacement"),
        "hyperparameters": model.get("hyperparameters", {}),
    }


def _prices(provider: str, model: str, currency: str, listed: Row) -> Iterator[Row]:
    for meter, amount in listed.items():
        if meter != "from":
            yield {
                "provider": provider,
                "model": model,
                "meter": meter,
                "unit_quantity": UNITS[meter],
                "amount": Decimal(amount),
                "currency": currency,
                "effective_from": datetime.combine(listed["from"], time(), UTC),
            }
