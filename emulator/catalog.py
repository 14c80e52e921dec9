"""The base models offered: those trainable in autumn 2026, when each ends, how it is trained and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class BaseModel:
    """A snapshot.

    `training_price` is USD per million tokens, `hourly_price` USD per hour of training where that is billed instead;
    `prices` and, of its fine-tunes, `tuned_prices` are USD per million tokens of input, cached input and output (§5);
    `methods` are those it can be trained by, `tokens_per_example_max` is the length an example is cut to (§3.6).
    """

    id: str
    created: int
    shutdown_date: str
    training_price: Decimal
    tokens_per_example_max: int = 65_536
    methods: tuple[str, ...] = ("supervised", "dpo")
    hourly_price: Decimal | None = None
    prices: tuple[Decimal, ...] = ()
    tuned_prices: tuple[Decimal, ...] = ()


def _usd(*prices: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, prices))


_SNAPSHOTS = [
    BaseModel(
        "gpt-4.1-2025-04-14",
        1_744_315_746,
        "2027-01-14",
        Decimal(25),
        prices=_usd("2", "0.5", "8"),
        tuned_prices=_usd("3", "0.75", "12"),
    ),
    BaseModel(
        "gpt-4.1-mini-2025-04-14",
        1_744_317_547,
        "2027-01-14",
        Decimal(5),
        prices=_usd("0.4", "0.1", "1.6"),
        tuned_prices=_usd("0.8", "0.2", "3.2"),
    ),
    BaseModel(
        "gpt-4.1-nano-2025-04-14",
        1_744_321_025,
        "2026-10-23",
        Decimal("1.5"),
        prices=_usd("0.1", "0.025", "0.4"),
        tuned_prices=_usd("0.2", "0.05", "0.8"),
    ),
    BaseModel(
        "gpt-4o-2024-08-06",
        1_722_814_719,
        "2027-01-14",
        Decimal(25),
        prices=_usd("2.5", "1.25", "10"),
        tuned_prices=_usd("3.75", "1.875", "15"),
    ),
    BaseModel(
        "gpt-4o-mini-2024-07-18",
        1_721_172_717,
        "2027-01-14",
        Decimal(3),
        prices=_usd("0.15", "0.075", "0.6"),
        tuned_prices=_usd("0.3", "0.15", "1.2"),
    ),
    BaseModel(
        "o4-mini-2025-04-16",
        1_744_133_506,
        "2026-10-23",
        Decimal(0),
        methods=("reinforcement",),
        hourly_price=Decimal(100),
        prices=_usd("1.1", "0.275", "4.4"),
        tuned_prices=_usd("4", "1", "16"),
    ),
]
SNAPSHOTS = {model.id: model for model in _SNAPSHOTS}
ALIASES = {model.id[: -len("-2025-04-14")]: model.id for model in _SNAPSHOTS}


def resolve(model: str) -> BaseModel | None:
    """The snapshot behind a base model's name or alias; None for anything else."""
    return SNAPSHOTS.get(ALIASES.get(model, model))
