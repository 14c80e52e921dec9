"""What Tuneplane answered, how long that may be used (RFC 9111, RFC 5861), and what of it the caller is told."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, Self

from tuneplane_resolver.canary import choose

_DIRECTIVE: Final = re.compile(r"([a-z-]+)=(\d{1,9})")

_SLACK_SECONDS: Final = 60.0  # between reading the clock and comparing, others go on


class Question(NamedTuple):
    """Which model's alias."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The model to call now. `age_seconds` ago Tuneplane last said so; `is_stale`: longer than it should be."""

    name: str
    alias: str
    model: str
    version: int
    base_model: str
    shutdown_date: date | None
    fallback: str | None
    successor: str | None
    age_seconds: float
    is_stale: bool


@dataclass(frozen=True, slots=True)
class Served:
    """One of the versions that an alias serves."""

    version: int
    model: str
    base_model: str
    shutdown_date: date | None
    fallback: str | None
    successor: str | None
    weight: int

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what cannot be one."""
        ends = said.get("shutdown_date")
        return cls(
            version=int(said["version"]),
            model=_text(said["model"]),
            base_model=_text(said["base_model"]),
            shutdown_date=date.fromisoformat(ends) if ends else None,
            fallback=said.get("fallback"),
            successor=said.get("successor"),
            weight=int(said.get("weight", 1)),
        )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value


@dataclass(frozen=True, slots=True)
class Freshness:
    """For how many seconds an answer may be used: at once, while it is asked for again, and while nobody answers."""

    max_age: int = 0
    while_revalidate: int = 0
    if_error: int = 0

    @classmethod
    def read(cls, cache_control: str) -> Self:
        """What `Cache-Control` says, and nothing where it says nothing."""
        said = {name: int(seconds) for name, seconds in _DIRECTIVE.findall(cache_control.lower())}
        return cls(said.get("max-age", 0), said.get("stale-while-revalidate", 0), said.get("stale-if-error", 0))


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer, and when (seconds since 1970) Tuneplane last knew it to be current."""

    body: str
    etag: str | None
    current_at: float
    freshness: Freshness
    stable: Served
    targets: Sequence[Served]
    seed: str

    @classmethod
    def read(cls, body: str, *, etag: str | None, current_at: float, freshness: Freshness) -> Self:
        """Raises ValueError for a body that is no answer to the question."""
        try:
            said = json.loads(body)
            stable = Served.read(said)
            targets = tuple(Served.read(one) for one in said.get("targets") or ())
            seed = str(said.get("seed", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an answer: {error!r}") from error
        return cls(body, etag, current_at, freshness, stable, targets, seed)

    def is_fresh(self, now: float, *, share: float = 1.0) -> bool:
        """Whether less than that share of its `max-age` has passed. A clock turned back behind it cannot tell: no."""
        return 0 <= now - self.current_at < share * self.freshness.max_age

    def rank(self, now: float) -> tuple[bool, float]:
        """The higher the newer; one from a time to come was written before the clock was turned back, and is old."""
        return self.current_at <= now + _SLACK_SECONDS, self.current_at

    def outlasts(self, seconds: float, now: float) -> bool:
        """Whether it is at most `seconds` older than its `max-age`, as far as the clock can tell."""
        return now - self.current_at < self.freshness.max_age + seconds

    def resolution(self, question: Question, key: str | None, now: float) -> Resolution:
        """What the caller is told: for a `key`, of the version that it is served."""
        served = self.stable
        if key is not None and len(self.targets) > 1:
            chosen = choose(self.seed, key, {one.version: one.weight for one in self.targets})
            served = next(one for one in self.targets if one.version == chosen)
        return Resolution(
            name=question.name,
            alias=question.alias,
            model=served.model,
            version=served.version,
            base_model=served.base_model,
            shutdown_date=served.shutdown_date,
            fallback=served.fallback,
            successor=served.successor,
            age_seconds=max(0.0, now - self.current_at),
            is_stale=not self.is_fresh(now),
        )
