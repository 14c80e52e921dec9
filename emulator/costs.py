"""GET /v1/organization/costs: what everything has cost, by day, with an admin key (§1.10). It may lag, as at OpenAI."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.discrepancies import Charge
from emulator.errors import Json
from emulator.jobs import Job
from emulator.metering import BATCH_SHARE, prices_of
from emulator.organization import DAY_SECONDS, Width, groups_of, many, page, span_of
from emulator.state import World, world_of

WIDTHS = {"1d": Width(DAY_SECONDS, 7, 180)}
GROUPS = ("project_id", "line_item", "api_key_id")
FILTERS = {"project_ids": "project_id", "api_key_ids": "api_key_id", "line_items": "line_item"}


def _of_job(job: Job, now: float) -> Charge | None:
    """What the job is billed once it is over. The line's name is ours: OpenAI's are not published."""
    units = job.cost_units(now)
    if not units or job.status(now) not in ("succeeded", "cancelled"):
        return None
    by_hour = job.base.hourly_price is not None
    return Charge(
        at=job.ends_at if job.cancelled_at is None else job.cancelled_at,
        line_item=f"{job.base.id}, training",
        amount=units / 1_000_000,
        quantity=Decimal(job.billed_seconds(now) if by_hour else job.billed_tokens(now)),
        quantity_unit="duration_seconds" if by_hour else "tokens",
        project_id=job.project,
        api_key_id=job.api_key,
    )


def _of_use(world: World) -> Iterator[Charge]:
    """A line for each meter of each model (§1.10: "<model>, input_tokens"); that of a batch is ours."""
    for use in world.meter.uses():
        prices = prices_of(use.model) or {}
        for meter, tokens in use.billed.items():
            if tokens:
                yield Charge(
                    at=use.at,
                    line_item=f"{use.model}, {meter}" + (", batch" if use.batch else ""),
                    amount=prices[meter] * tokens / 1_000_000 * (BATCH_SHARE if use.batch else 1),
                    quantity=Decimal(tokens),
                    project_id=use.project,
                    api_key_id=use.api_key,
                )


def _charges(world: World) -> Iterator[Charge]:
    """The bill as far as it is told by now, with all that the script has made wrong with it."""
    now = world.clock.now()
    known_until = now - world.settings.costs_lag_seconds
    wrong = list(world.discrepancies.values())
    true = [charge for job in world.jobs.values() if (charge := _of_job(job, now))]
    for charge in [*true, *_of_use(world), *(one.charge(now) for one in wrong if one.kind == "extra")]:
        billed: Charge | None = charge
        for discrepancy in wrong:
            billed = discrepancy.applied_to(billed) if billed else None
        if billed and billed.at + billed.late_seconds <= known_until:
            yield billed


async def costs(request: Request) -> Response:
    """Buckets of a UTC day each; `next_page` is where the next ones start."""
    world = world_of(request)
    await world.settle()
    span, groups = span_of(request, world, WIDTHS), groups_of(request, GROUPS)
    wanted = {field: many(request, name) for name, field in FILTERS.items()}
    charges = [
        charge
        for charge in _charges(world)
        if all(not choice or getattr(charge, field) in choice for field, choice in wanted.items())
    ]

    def results(start: int, end: int) -> list[dict[str, Any]]:
        shown = [charge for charge in charges if start <= charge.at < end]
        return _results(shown, groups, world.settings.costs_currency)

    return Json(page(span, results))


def _results(charges: list[Charge], groups: list[str], currency: str) -> list[dict[str, Any]]:
    sums: dict[tuple[str | None, ...], list[Charge]] = {}
    for charge in charges:
        key = tuple(getattr(charge, name) if name in groups else None for name in GROUPS)
        sums.setdefault(key, []).append(charge)
    return [
        {
            "object": "organization.costs.result",
            "amount": {"value": float(sum(one.amount for one in found)), "currency": currency},
            **dict(zip(GROUPS, key, strict=True)),
            **_quantity(found, told="line_item" in groups),
        }
        for key, found in sums.items()
    ]


def _quantity(charges: list[Charge], *, told: bool) -> dict[str, Any]:
    """Only of a line item, and only in one unit (SPEC)."""
    units = {charge.quantity_unit for charge in charges}
    counted = [charge.quantity for charge in charges if charge.quantity is not None]
    if not told or len(units) != 1 or len(counted) < len(charges):
        return {"quantity": None, "quantity_unit": None}
    return {"quantity": float(sum(counted)), "quantity_unit": units.pop()}


routes = [Route("/organization/costs", costs, methods=["GET"])]
