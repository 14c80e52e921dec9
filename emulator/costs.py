"""GET /v1/organization/costs: what training has cost, by day, with an admin key (§1.10). It may lag, as at OpenAI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.errors import Json, invalid
from emulator.pages import limit_of
from emulator.state import World, world_of

DAY_SECONDS = 86_400
MOMENT_DIGITS_MAX = 10  # of unix seconds up to the year 2286
GROUPS = ("project_id", "line_item")


@dataclass(frozen=True)
class Charge:
    """What one job cost, in US dollars, and when (virtual) that was certain. The line's name is ours."""

    at: float
    project_id: str
    line_item: str
    amount: Decimal


def _charges(world: World) -> Iterator[Charge]:
    now = world.clock.now()
    for job in world.jobs.values():
        units = job.cost_units(now)
        if units and job.status(now) in ("succeeded", "cancelled"):
            at = job.ends_at if job.cancelled_at is None else job.cancelled_at
            yield Charge(at, job.project, f"{job.base.id}, training", units / 1_000_000)


async def costs(request: Request) -> Response:
    """Buckets of a UTC day each; `next_page` is where the next ones start."""
    world, params = world_of(request), request.query_params
    await world.settle()
    start = _moment(params.get("page") or params.get("start_time"), "start_time")
    end = _moment(params["end_time"], "end_time") if "end_time" in params else int(world.clock.now()) + 1
    groups = [*params.getlist("group_by[]"), *params.getlist("group_by")]
    if params.get("bucket_width", "1d") != "1d":
        raise invalid("'bucket_width' must be '1d'.", param="bucket_width")
    if unknown := [one for one in groups if one not in GROUPS]:
        raise invalid(f"'group_by' here knows {', '.join(GROUPS)}, not '{unknown[0]}'.", param="group_by")
    projects = [*params.getlist("project_ids[]"), *params.getlist("project_ids")]
    known_until = world.clock.now() - world.settings.costs_lag_seconds
    charges = [one for one in _charges(world) if one.at <= known_until and (not projects or one.project_id in projects)]
    days = range(start - start % DAY_SECONDS, max(start + 1, end), DAY_SECONDS)
    shown = days[: min(180, limit_of(request, default=7, most=180))]
    more = len(shown) < len(days)
    return Json(
        {
            "object": "page",
            "data": [_bucket(day, charges, groups) for day in shown],
            "has_more": more,
            "next_page": str(days[len(shown)]) if more else None,
        }
    )


def _moment(given: str | None, name: str) -> int:
    if given is None or len(given) > MOMENT_DIGITS_MAX or not given.isdecimal():
        raise invalid(f"'{name}' must be given in unix seconds.", param=name)
    return int(given)


def _bucket(day: int, charges: list[Charge], groups: list[str]) -> dict[str, Any]:
    sums: dict[tuple[str | None, ...], Decimal] = {}
    for charge in charges:
        if day <= charge.at < day + DAY_SECONDS:
            key = tuple(getattr(charge, name) if name in groups else None for name in GROUPS)
            sums[key] = sums.get(key, Decimal(0)) + charge.amount
    results = [
        {
            "object": "organization.costs.result",
            "amount": {"value": float(amount), "currency": "usd"},
            **dict(zip(GROUPS, key, strict=True)),
        }
        for key, amount in sums.items()
    ]
    return {"object": "bucket", "start_time": day, "end_time": day + DAY_SECONDS, "results": results}


routes = [Route("/organization/costs", costs, methods=["GET"])]
