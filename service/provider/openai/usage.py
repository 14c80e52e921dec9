"""What an organisation has used its models for, by day, project, key, model and tier."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from service.provider.openai.organization import Told, count, results
from service.provider.openai.told import storable, text, word
from service.provider.shapes import Credentials, RemoteUsage

_GROUPS: Final = ("project_id", "api_key_id", "model", "batch", "service_tier")
_DAYS_A_PAGE: Final = 31
_STANDARD: Final = frozenset({None, "", "default", "auto", "standard"})
_TIER_LENGTH_MAX: Final = 32
_MODEL_LENGTH_MAX: Final = 200


def daily_usage(admin: Credentials, *, since: date, until: date, projects: Sequence[str] = ()) -> list[RemoteUsage]:
    """Completions of the days (UTC) from `since` up to, not including, `until`. Raises as organization.results."""
    return results(
        admin,
        "/organization/usage/completions",
        _usage,
        since=since,
        until=until,
        group_by=_GROUPS,
        projects=projects,
        days_a_page=_DAYS_A_PAGE,
    )


def _usage(day: date, told: Told) -> RemoteUsage:
    return RemoteUsage(
        day=day,
        project=word(told.get("project_id")),
        api_key=word(told.get("api_key_id")),
        model=text(storable(told.get("model")))[:_MODEL_LENGTH_MAX],
        tier=_tier(told),
        input_tokens=count(told["input_tokens"]),
        cached_input_tokens=count(told.get("input_cached_tokens")),
        output_tokens=count(told["output_tokens"]),
        requests=count(told["num_model_requests"]),
    )


def _tier(told: Told) -> str:
    """As the price book names it; what is billed as usual has several names at the provider."""
    tier = told.get("service_tier")
    if told.get("batch"):
        return "batch"
    return "standard" if tier in _STANDARD else str(word(tier))[:_TIER_LENGTH_MAX]
