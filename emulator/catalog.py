"""The base models offered: those trainable in autumn 2026, when each ends, how it is trained and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class BaseModel:
    """A snapshot.

    `training_price` is USD per million tokens, `hourly_price` USD per hour of training where that is billed instead
    (§5); `methods` are those it can be trained by, `tokens_per_example_max` is the length an example is cut to (§3.6).
    """

    id: str
    created: int
    shutdown_date: str
    training_price: Decimal
    tokens_per_example_max: int = 65_536
    methods: tuple[str, ...] = ("supervised", "dpo")
    hourly_price: Decimal | None = None


_SNAPSHOTS = [
    BaseModel("gpt-4.1-2025-04-14", 1_744_315_746, "2027-01-14", Decimal(25)),
    BaseModel("gpt-4.1-mini-2025-04-14", 1_744_317_547, "2027-01-14", Decimal(5)),
    BaseModel("gpt-4.1-nano-2025-04-14", 1_744_321_025, "2026-10-23", Decimal("1.5")),
    BaseModel("gpt-4o-2024-08-06", 1_722_814_719, "2027-01-14", Decimal(25)),
    BaseModel("gpt-4o-mini-2024-07-18", 1_721_172_717, "2027-01-14", Decimal(3)),
    BaseModel(
        "o4-mini-2025-04-16",
        1_744_133_506,
        "2026-10-23",
        Decimal(0),
        methods=("reinforcement",),
        hourly_price=Decimal(100),
    ),
]
SNAPSHOTS = {model.id: model for model in _SNAPSHOTS}
ALIASES = {model.id[: -len("-2025-04-14")]: model.id for model in _SNAPSHOTS}


def resolve(model: str) -> BaseModel | None:
    """The snapshot behind a base model's name or alias; None for anything else."""
    return SNAPSHOTS.get(ALIASES.get(model, model))
