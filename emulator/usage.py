"""GET /v1/organization/usage/completions: what models have been used for, with an admin key (§1.10). It may lag."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.errors import Json, invalid
from emulator.metering import Use
from emulator.organization import DAY_SECONDS, Width, groups_of, many, page, span_of
from emulator.state import world_of

WIDTHS = {"1m": Width(60, 60, 1440), "1h": Width(3600, 24, 168), "1d": Width(DAY_SECONDS, 7, 31)}
FIELDS = {
    "project_id": "project",
    "user_id": None,
    "api_key_id": "api_key",
    "model": "model",
    "batch": "batch",
    "service_tier": None,
}
"""What can be grouped by, and where a use has it; nothing here has users or tiers."""
FILTERS = {"project_ids": "project", "api_key_ids": "api_key", "models": "model"}


async def completions(request: Request) -> Response:
    """Buckets of UTC time; `next_page` is where the next ones start."""
    world = world_of(request)
    span, groups = span_of(request, world, WIDTHS), groups_of(request, FIELDS)
    batch = request.query_params.get("batch")
    if batch not in (None, "true", "false"):
        raise invalid("'batch' must be true or false.", param="batch")
    wanted = {field: many(request, name) for name, field in FILTERS.items()}
    known_until = world.clock.now() - world.settings.usage_lag_seconds
    uses = [
        use
        for use in world.meter.uses()
        if use.at <= known_until
        and (batch is None or use.batch == (batch == "true"))
        and all(not choice or getattr(use, field) in choice for field, choice in wanted.items())
    ]

    def results(start: int, end: int) -> list[dict[str, Any]]:
        return _results([use for use in uses if start <= use.at < end], groups)

    return Json(page(span, results))


def _results(uses: list[Use], groups: list[str]) -> list[dict[str, Any]]:
    sums: dict[tuple[Any, ...], list[Use]] = {}
    for use in uses:
        key = tuple(getattr(use, field) if field and name in groups else None for name, field in FIELDS.items())
        sums.setdefault(key, []).append(use)
    return [_result(dict(zip(FIELDS, key, strict=True)), found) for key, found in sums.items()]


def _result(group: dict[str, Any], uses: list[Use]) -> dict[str, Any]:
    total, cached = sum(use.input_tokens for use in uses), sum(use.cached_input_tokens for use in uses)
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": total,
        "input_cached_tokens": cached,
        "input_uncached_tokens": total - cached,
        "output_tokens": sum(use.output_tokens for use in uses),
        "num_model_requests": sum(use.requests for use in uses),
        **group,
    }


routes = [Route("/organization/usage/completions", completions, methods=["GET"])]
