"""What models have been used for, by the minute: by chat as it happens, and planted through the control API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from emulator import catalog
from emulator.config import DEFAULT_PROJECT
from emulator.errors import invalid
from emulator.scripts import Types, checked

MINUTE_SECONDS = 60
BATCH_SHARE = Decimal("0.5")  # of the price, for what nobody waits for (§5)
METERS = ("input_tokens", "cached_input_tokens", "output_tokens")
TYPES: Types = {
    "model": str,
    "project": str,
    "api_key": str,
    "batch": bool,
    "at": (int, float),
    "input_tokens": int,
    "cached_input_tokens": int,
    "output_tokens": int,
    "requests": int,
}


@dataclass(frozen=True)
class Use:
    """Requests to one model by one key; `at` is virtual, `input_tokens` are all, the cached ones included."""

    model: str
    at: float = 0
    project: str = DEFAULT_PROJECT
    api_key: str | None = None
    batch: bool = False
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 1

    @classmethod
    def parse(cls, script: dict[str, Any], now: float) -> Use:
        """A use from the control API's JSON, by default of now; raises a 400 that says what is wrong with it."""
        use = cls(**{"at": now, **checked(script, cls, TYPES)})
        if use.cached_input_tokens > use.input_tokens:
            raise invalid("'cached_input_tokens' are among 'input_tokens'.", param="cached_input_tokens")
        if prices_of(use.model) is None:
            raise invalid(f"There is no price for '{use.model}'.", param="model")
        return use

    @property
    def billed(self) -> dict[str, int]:
        """Tokens by meter: cached input is billed apart."""
        uncached = self.input_tokens - self.cached_input_tokens
        return dict(zip(METERS, (uncached, self.cached_input_tokens, self.output_tokens), strict=True))


@dataclass
class Meter:
    """All uses, summed by the minute and by all that pages can be grouped by."""

    _sums: dict[tuple[Any, ...], Use] = field(default_factory=dict)

    def count(self, use: Use) -> None:
        minute = use.at - use.at % MINUTE_SECONDS
        key = (minute, use.project, use.api_key, use.model, use.batch)
        known = self._sums.get(key)
        self._sums[key] = replace(use, at=minute) if known is None else _sum(known, use)

    def uses(self) -> Iterator[Use]:
        yield from self._sums.values()


def _sum(one: Use, other: Use) -> Use:
    return replace(
        one,
        input_tokens=one.input_tokens + other.input_tokens,
        cached_input_tokens=one.cached_input_tokens + other.cached_input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        requests=one.requests + other.requests,
    )


def prices_of(model: str) -> dict[str, Decimal] | None:
    """USD per million tokens by meter, of a base model or of a fine-tune of one; None where there is no such base."""
    tuned = model.startswith("ft:")
    base = catalog.resolve(model.split(":")[1] if tuned else model)
    if base is None:
        return None
    return dict(zip(METERS, base.tuned_prices if tuned else base.prices, strict=True))
