"""The catalog owns base models and the price book.

Invariants: a price row is never altered and the next one ends it, so its id freezes a price; what has no price cannot
be spent on; a retired model stays known, so that it is refused by name with what to train instead.
"""

from service.catalog.commands import PriceChanged, load_seed
from service.catalog.errors import (
    MethodUnsupported,
    ModelRetired,
    NotTrainable,
    PriceUnknown,
    TrainingClosed,
    UnknownBaseModel,
    UnknownProvider,
)
from service.catalog.queries import (
    base_model,
    check_provider,
    list_base_models,
    price,
    price_by_id,
    prices,
    snapshots,
    trainable,
    trainable_models,
)
from service.catalog.rules import BaseModelFacts, PriceFacts
from service.catalog.schemas import BaseModelView, PriceView
from service.catalog.seed import trainable_offline

__all__ = [
    "BaseModelFacts", "BaseModelView", "MethodUnsupported", "ModelRetired", "NotTrainable", "PriceChanged",
    "PriceFacts", "PriceUnknown", "PriceView", "TrainingClosed", "UnknownBaseModel", "UnknownProvider", "base_model",
    "check_provider", "list_base_models", "load_seed", "price", "price_by_id", "prices", "snapshots", "trainable",
    "trainable_models", "trainable_offline",
]  # fmt: skip
