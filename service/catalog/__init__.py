"""The catalog owns base models and the price book.

Invariants: a price row is never altered and the next one ends it, so its id freezes a price; what has no price cannot
be spent on; a retired model stays known, so that it is refused by name with what to train instead.
"""

from service.catalog.commands import PriceChanged, load_seed
from service.catalog.errors import (
    BadPriceList,
    MethodUnsupported,
    ModelRetired,
    NotTrainable,
    OtherCurrency,
    PriceInThePast,
    PriceTaken,
    PriceUnknown,
    TrainingClosed,
    UnknownBaseModel,
    UnknownMeter,
    UnknownProvider,
)
from service.catalog.price_book import COLUMNS as PRICE_COLUMNS
from service.catalog.price_book import add as add_price
from service.catalog.price_book import as_rows as price_rows
from service.catalog.price_book import import_csv as import_prices
from service.catalog.queries import (
    base_model,
    check_provider,
    list_base_models,
    offered,
    price,
    price_by_id,
    price_list,
    prices,
    snapshots,
    trainable,
    trainable_models,
)
from service.catalog.rules import BaseModelFacts, PriceFacts
from service.catalog.schemas import BaseModelView, PriceCreate, PriceImport, PriceRowView, PriceView
from service.catalog.seed import trainable_offline

__all__ = [
    "PRICE_COLUMNS", "BadPriceList", "BaseModelFacts", "BaseModelView", "MethodUnsupported", "ModelRetired",
    "NotTrainable", "OtherCurrency", "PriceChanged", "PriceCreate", "PriceFacts", "PriceImport", "PriceInThePast",
    "PriceRowView", "PriceTaken", "PriceUnknown", "PriceView", "TrainingClosed", "UnknownBaseModel", "UnknownMeter",
    "UnknownProvider", "add_price", "base_model", "check_provider", "import_prices", "list_base_models", "load_seed",
    "offered", "price", "price_by_id", "price_list", "price_rows", "prices", "snapshots", "trainable",
    "trainable_models", "trainable_offline",
]  # fmt: skip
