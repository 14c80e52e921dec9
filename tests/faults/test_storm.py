"""Two hundred jobs while workers and the broker are killed and the provider misbehaves at every creation."""

import itertools
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from service.cli.local import LocalStack
from service.jobs.rules import submit_key
from service.kit.ids import read
from tests.stack import Emulator, Platform, Team, conversations
from tests.until import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

JOBS = 200
WORKER_KILLS = 10
BROKER_KILLS = 5
CREATE = {"method": "POST", "path": "^/v1/fine_tuning/jobs$"}
CREATION_FAULTS: list[dict[str, Any]] = [
    {"kind": "create_then_500"},
    {"kind": "create_then_drop"},
    {"kind": "drop"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "retry_after": 1},
    {"kind": "status", "status": 429, "code": "rate_limit_exceeded", "retry_after": 1},
    {"kind": "garbage"},
    {"kind": "delay", "delay_seconds": 4},  # beyond the client's timeout, then created after all
    {"kind": "delay", "delay_seconds": 4, "after": True},  # created at once, answered too late
]


def test_every_job_ends_once_and_the_bill_is_ours(own_platform: Callable[..., LocalStack]) -> None:
    stack = own_platform(settings={"quiet_seconds": "6"})  # above the late creation's delay and the list's lag together
    stack.start_emulator(speed=200)
    stack.start_api()
    stack.start_worker()
    stack.start_dispatcher()
    emulator = Emulator(stack.emulator_url)
    team = Platform(stack).team(budget="100000")
    dataset = team.ready_dataset(conversations())["id"]
    emulator.set(list_lag_seconds=1)
    for fault in CREATION_FAULTS:
        emulator.fault(**fault, **CREATE, times=4)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: team.submit(dataset), range(JOBS)))
    jobs = [answer.json()["id"] for answer in answers]
    strike(stack, team)
    until(lambda: not counts(team).keys() - {"succeeded"}, within=420, what="every job to end")

    check(emulator, team, jobs)


def strike(stack: LocalStack, team: Team) -> None:
    """Kill by progress, not by the clock: each time a few more jobs have come on their way."""
    kills = ["worker"] * WORKER_KILLS + ["broker"] * BROKER_KILLS
    order = [kills[i * 7 % len(kills)] for i in range(len(kills))]  # the broker's spread among the workers'
    for number, what in enumerate(order, start=1):
        goal = number * JOBS // (len(order) + 2)
        until(partial(has_submitted, team, goal), within=120, what=f"{goal} jobs at the provider")
        if what == "worker":
            stack.processes.kill("worker")
            stack.start_worker()
        else:
            stack.valkey.kill()
            stack.valkey.start()
            stack.valkey.flush()


def counts(team: Team) -> Counter[str]:
    """Jobs by state, read page by page as a client would."""
    found: Counter[str] = Counter()
    after = ""
    for _ in itertools.count():
        page = team.member.get(f"/v1/jobs?limit=100{after}").json()
        found.update(job["state"] for job in page["data"])
        if not page["has_more"]:
            return found
        after = f"&after={page['last_id']}"
    raise AssertionError


def has_submitted(team: Team, goal: int) -> bool:
    by_state = counts(team)
    return JOBS - by_state["queued"] - by_state["uploading"] - by_state["submitting"] >= goal


def check(emulator: Emulator, team: Team, jobs: list[str]) -> None:
    """By the emulator's own record: one live job for each of ours, and its bill is our ledger."""
    log = emulator.log()
    live = Counter(one["metadata"]["tuneplane_submission"] for one in log["jobs"] if one["status"] != "cancelled")
    assert live == {submit_key("test", read("job", job)): 1 for job in jobs}
    billed = sum((Decimal(one["cost_units"]) for one in log["jobs"]), Decimal(0)) / 1_000_000
    costs = team.member.get("/v1/costs").json()
    assert Decimal(costs["total"]["settled"]) == billed
    budget = team.operator.get(f"/v1/teams/{team.slug}/budget").json()
    assert Decimal(budget["spent"]) == billed
    assert Decimal(budget["held"]) == 0
    print(f"{len(jobs)} jobs, {len(log['jobs'])} at the provider, billed {billed}, settled {costs['total']['settled']}")
