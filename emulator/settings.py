"""Switches of the world that can be changed while it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from emulator.errors import invalid
from emulator.scripts import is_amount


@dataclass(frozen=True)
class Settings:
    """`list_lag_seconds` are real, the other seconds virtual; `winds_down_at` is a virtual unix time."""

    list_lag_seconds: float = 0.0
    model_ready_delay_seconds: float = 0.0
    model_loading_status: int = 404
    results_base64: bool = True
    max_active_jobs_per_model: int | None = None
    duplicate_events: bool = False
    unstable_event_ids: bool = False
    has_more_always: bool = False
    no_error_as: str = "null"
    creation_closed: bool = False
    creation_closed_status: int = 403
    winds_down_at: float | None = None
    costs_lag_seconds: float = 0.0
    costs_currency: str = "usd"
    usage_lag_seconds: float = 0.0
    stopped_jobs_billed: str = "steps"

    def changed(self, body: dict[str, Any]) -> Settings:
        """These settings with those of `body` instead; raises a 400 that names the first that is wrong."""
        for name, value in body.items():
            if name not in _RIGHT:
                raise invalid(f"Unknown setting; there are: {', '.join(_RIGHT)}.", param=name)
            if not _RIGHT[name](value):
                raise invalid(f"'{name}' cannot be {value!r}.", param=name)
        if isinstance(body.get("winds_down_at"), str | date):
            body = {**body, "winds_down_at": _midnight(body["winds_down_at"])}
        return dataclasses.replace(self, **body)


def _midnight(day: str | date) -> float:
    """The unix time at which the day begins in UTC; raises ValueError."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_moment(value: Any) -> bool:
    try:
        return value is None or is_amount(value) or _midnight(value) > 0
    except (ValueError, AttributeError):
        return False


_RIGHT: dict[str, Callable[[Any], bool]] = {
    "list_lag_seconds": is_amount,
    "model_ready_delay_seconds": is_amount,
    "model_loading_status": lambda value: value in (404, 429),
    "results_base64": _is_flag,
    "max_active_jobs_per_model": lambda value: value is None or is_amount(value),
    "duplicate_events": _is_flag,
    "unstable_event_ids": _is_flag,
    "has_more_always": _is_flag,
    "no_error_as": lambda value: value in ("null", "empty", "nulls"),
    "creation_closed": _is_flag,
    "creation_closed_status": lambda value: value in (400, 403),
    "winds_down_at": _is_moment,
    "costs_lag_seconds": is_amount,
    "costs_currency": lambda value: isinstance(value, str) and len(value) == 3,
    "usage_lag_seconds": is_amount,
    "stopped_jobs_billed": lambda value: value in ("steps", "nothing"),
}
