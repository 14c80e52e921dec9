"""The HTTP application: a table of contents.

uvicorn --factory service.api.app:create_app
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio import to_thread
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from service.api import (
    adjustments,
    approvals,
    attention,
    budget_requests,
    budgets,
    catalog,
    connections,
    cost_entries,
    cost_outlook,
    costs,
    dataset_reading,
    dataset_reports,
    datasets,
    erasing,
    explain,
    focus,
    handlers,
    health,
    job_actions,
    job_pauses,
    job_results,
    jobs,
    limits,
    me,
    model_moves,
    model_schedules,
    model_versions,
    models,
    periods,
    preparations,
    prices,
    provider_webhooks,
    quota,
    rates,
    reconciliation,
    streams,
    teams,
    uploads,
    usage,
)
from service.api.describe import describe
from service.api.draining import Draining, drain_on_sigterm
from service.api.lookout import Lookout
from service.api.middleware import Edge
from service.api.resolve import FastPath, Resolver
from service.kit import logs, metrics
from service.kit.settings import settings

ROUTERS = (
    teams.router, me.router, catalog.router, connections.router, budgets.router, budget_requests.router,
    limits.router, quota.router, uploads.router, datasets.router, erasing.router, preparations.router, jobs.router,
    job_actions.router, job_pauses.router, job_results.router, dataset_reading.router, dataset_reports.router,
    approvals.router, streams.router, costs.router, cost_entries.router, cost_outlook.router, usage.router,
    adjustments.router, periods.router, models.router, model_moves.router, model_versions.router,
    provider_webhooks.router, reconciliation.router, explain.router, attention.router, prices.router,
    focus.router, model_schedules.router, health.router,
)  # fmt: skip


def create_app() -> ASGIApp:
    """What the server runs: resolving first, then the edge, then everything else."""
    logs.configure(settings().log_level)
    api = create_api()
    return FastPath(Edge(api, api.state.draining), api.state.resolver)


def create_api() -> FastAPI:
    """The routes and their error bodies."""
    api = FastAPI(
        version=version("tuneplane"),
        docs_url=None,  # their pages load scripts from a public network
        redoc_url=None,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        telemetry={"operation_spans": False, "metrics": False},
    )
    api.state.lookout = Lookout()
    api.state.draining = Draining(on_begin=api.state.lookout.leave)
    api.state.resolver = Resolver()
    api.state.limiter, api.state.known_rates = rates.limiter(), rates.Known()
    api.state.database = health.Database()
    api.openapi = lambda: describe(api)  # type: ignore[method-assign]
    handlers.install(api)
    for router in ROUTERS:
        api.include_router(router)
    return api


def _operation_id(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(api: FastAPI) -> AsyncIterator[None]:
    # A thread for each connection of the pool, so that nobody waits for a connection while holding a thread.
    to_thread.current_default_thread_limiter().total_tokens = settings().pool_size
    metrics.serve()
    api.state.resolver.start()
    async with streams.looking(api.state.lookout):
        with drain_on_sigterm(api.state.draining):
            yield
    api.state.resolver.stop()
