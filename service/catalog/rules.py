"""What can be trained on which day, and what to train instead. Pure: days come in as dates (UTC)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from service.catalog import hyperparameters as named
from service.catalog.errors import MethodUnsupported, ModelRetired, NotTrainable, TrainingClosed

STANDARD: Final = "standard"
"""The tier of a price where nothing else is said."""
UNITS: Final[Mapping[str, Decimal]] = {
    "training_tokens": Decimal(1_000_000),
    "training_hours": Decimal(1),
    "input_tokens": Decimal(1_000_000),
    "cached_input_tokens": Decimal(1_000_000),
    "output_tokens": Decimal(1_000_000),
    "hosting_hours": Decimal(1),
}
"""Every meter, and for how much of it a price in the seed is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModelFacts:
    """A snapshot of a provider. `trainable_until` and `shutdown_date` are the first days (UTC) without."""

    provider: str
    id: str
    aliases: tuple[str, ...]
    methods: tuple[str, ...]  # none: it cannot be fine-tuned
    format: str  # chat | prompt_completion
    vision: bool
    encoding: str
    example_tokens_max: int
    trainable_until: date | None
    shutdown_date: date | None
    replacement: str | None
    hyperparameters: named.Overrides  # where they differ from the usual ones of its methods

    @property
    def ranges(self) -> named.Ranges:
        """The values its hyperparameters may take, by method."""
        return named.ranges(self.methods, self.hyperparameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFacts:
    """A row of the price book: `amount` for every `unit_quantity` of the meter, from an instant on. Never altered."""

    id: UUID
    provider: str
    model: str
    meter: str
    unit_quantity: Decimal
    amount: Decimal
    currency: str
    effective_from: datetime
    tier: str = STANDARD
    list_amount: Decimal | None = None  # of the provider's public list, where that is another one


def resolve(offered: Iterable[BaseModelFacts], name: str) -> BaseModelFacts | None:
    """The snapshot of that id, or behind that undated alias."""
    return next((one for one in offered if name == one.id or name in one.aliases), None)


def is_trainable(model: BaseModelFacts, day: date, method: str | None = None) -> bool:
    """Whether a job can be created that day, with `method` or, without one, with any."""
    closed = any(end is not None and day >= end for end in (model.trainable_until, model.shutdown_date))
    return not closed and (method in model.methods if method else bool(model.methods))


def refusal(
    offered: Mapping[str, BaseModelFacts], model: BaseModelFacts, day: date, method: str | None = None
) -> NotTrainable | None:
    """Why no job can be created that day, as the error to raise; None when one can."""
    if is_trainable(model, day, method):
        return None
    instead = advice(offered, model, day, method)
    said: dict[str, Any] = {"model": model.id, "provider": model.provider, "advice": instead}
    if model.shutdown_date and day >= model.shutdown_date:
        return ModelRetired(**said, day=model.shutdown_date, pointer="#/model")
    if not model.methods:
        return NotTrainable(**said, pointer="#/model")
    if model.trainable_until and day >= model.trainable_until:
        return TrainingClosed(**said, day=model.trainable_until, pointer="#/model")
    return MethodUnsupported(**said, method=method, methods=" and ".join(model.methods), pointer="#/method/type")


def advice(offered: Mapping[str, BaseModelFacts], model: BaseModelFacts, day: date, method: str | None) -> str:
    """What to train instead: the replacement (or its own, and so on), else whatever can be trained, else nothing."""
    seen = {model.id}
    following = model.replacement
    while following is not None and following in offered and following not in seen:
        if is_trainable(offered[following], day, method):
            return f"train {following} instead"
        seen.add(following)
        following = offered[following].replacement
    left = what_is_left(offered.values(), model.provider, day, method)
    return f"{left} (its replacement is {model.replacement})" if model.replacement else left


def what_is_left(offered: Iterable[BaseModelFacts], provider: str, day: date, method: str | None = None) -> str:
    """Names everything that can be trained at the provider."""
    left = sorted(one.id for one in offered if is_trainable(one, day, method))
    means = f"{method} fine-tuning" if method else "fine-tuning"
    return f"{means} takes {', '.join(left)}" if left else f"there is nothing for {means} at {provider}"
