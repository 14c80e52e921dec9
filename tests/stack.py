"""Handles the tests hold: the platform under test, its teams and their clients. Everything goes through a real door."""

import itertools
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx2

from service import catalog, connections, tenants
from service.cli.local import PROVIDER_KEY, LocalStack
from service.jobs.rules import submit_key
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import CLI
from service.kit.ids import read
from service.provider.shapes import SUBMISSION_KEY
from tests.until import until

# Short, so that a test waits for what it asked and not for a default.
SETTINGS: Final = {
    "environment": "test",
    "pool_size": "10",
    "lease_seconds": "4",
    "dispatch_seconds": "0.1",
    "rehint_seconds": "0.5",
    "rescue_after_seconds": "1",
    "provider_timeout_seconds": "3",
    "quiet_seconds": "1.5",
    "search_interval_seconds": "0.3",
    "lock_busy_seconds": "0.2",
    "follow_seconds": "0.2",
    "probe_seconds": "0.2",
    "backoff_cap_seconds": "2",
    "circuit_seconds": "0.5",
    "rates_seconds": "0.5",  # a machine this busy may take longer than Redis ever does
    "resolve_poll_seconds": "2",
    "body_idle_seconds": "2",
    "erase_copies_seconds": "0.5",
    "segment_bytes": "65536",
}

# Reading the machine's certificates costs 80 ms a client; a connection kept as long as the server keeps it is a race.
PLAIN_HTTP: Final[dict[str, Any]] = {
    "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    "limits": httpx2.Limits(keepalive_expiry=2),
}

_numbers = itertools.count(1)


@dataclass
class Client:
    """An API client with one key. `get("/v1/me")` returns httpx2's response; nothing is raised for a status."""

    base_url: str
    key: str
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(
            base_url=self.base_url, headers={"Authorization": f"Bearer {self.key}"}, timeout=30, **PLAIN_HTTP
        )

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.http.get(path, **options)

    def post(self, path: str, json: object = None, **options: Any) -> httpx2.Response:
        return self.http.post(path, json=json, **options) if json is not None else self.http.post(path, **options)

    def put(self, path: str, json: object = None, **options: Any) -> httpx2.Response:
        return self.http.put(path, json=json, **options)

    def patch(self, path: str, json: object = None, **options: Any) -> httpx2.Response:
        return self.http.patch(path, json=json, **options)

    def delete(self, path: str, **options: Any) -> httpx2.Response:
        return self.http.delete(path, **options)


@dataclass
class Team:
    """A team and a client for each of its roles, made when first used."""

    base_url: str
    id: str
    slug: str
    operator: Client

    def client(self, role: str) -> Client:
        """A client with a fresh key of this role."""
        made = self.operator.post(f"/v1/teams/{self.slug}/keys", {"name": role, "role": role})
        assert made.status_code == 201, made.text
        return Client(self.base_url, made.json()["key"])

    @cached_property
    def admin(self) -> Client:
        return self.client("admin")

    @cached_property
    def member(self) -> Client:
        return self.client("member")

    @cached_property
    def viewer(self) -> Client:
        return self.client("viewer")

    @cached_property
    def resolver(self) -> Client:
        return self.client("resolver")

    def ready_dataset(self, content: bytes, filename: str = "train.jsonl", *, within: float = 30) -> dict[str, Any]:
        """Upload and wait until a worker has checked it."""
        made = self.member.post(
            f"/v1/datasets?filename={filename}", content=content, headers={"Content-Type": "application/jsonl"}
        )
        assert made.status_code in (200, 202), made.text
        path = f"/v1/datasets/{made.json()['id']}"

        def checked() -> dict[str, Any] | None:
            dataset: dict[str, Any] = self.member.get(path).json()
            return dataset if dataset["state"] in ("ready", "invalid") else None

        return until(checked, within=within, what=f"{path} checked")

    def ready(self, topic: str = "tide") -> str:
        """The id of a small dataset that can be trained on."""
        dataset = self.ready_dataset(conversations(topic=topic))
        assert dataset["state"] == "ready", dataset
        return str(dataset["id"])

    def budget(self) -> dict[str, Any]:
        """This month's limit, spent and held."""
        view: dict[str, Any] = self.operator.get(f"/v1/teams/{self.slug}/budget").json()
        return view

    def submit(self, dataset: str, **request: Any) -> httpx2.Response:
        """POST /v1/jobs for the cheapest model."""
        headers = request.pop("headers", {})
        body = {"model": "gpt-4o-mini-2024-07-18", "dataset": dataset, **request}
        return self.member.post("/v1/jobs", body, headers=headers)

    def accepted(self, dataset: str, **request: Any) -> dict[str, Any]:
        """Submit a job that must be taken."""
        answer = self.submit(dataset, **request)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
        return job

    def job_in(self, job: str, *states: str, within: float = 30) -> dict[str, Any]:
        """Wait until the job is in one of these states."""

        def arrived() -> dict[str, Any] | None:
            view: dict[str, Any] = self.member.get(f"/v1/jobs/{job}").json()
            return view if view["state"] in states else None

        return until(arrived, within=within, what=f"{job} in {states}")

    def collected(self, job: str) -> dict[str, Any]:
        """Wait until what came out of the job was fetched, or given up: nothing happens to it after that."""

        def arrived() -> dict[str, Any] | None:
            view: dict[str, Any] = self.member.get(f"/v1/jobs/{job}").json()
            return view if view["collected_at"] else None

        return until(arrived, within=30, what=f"{job} collected")


class Platform:
    """A running Tuneplane: its address, its operator, and new teams on demand."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        with unit_of_work(CLI) as session:
            _, key = tenants.create_key(
                session, CLI, team_id=None, role=tenants.Role.OPERATOR, name="tests", at=clock.now()
            )
        self.operator = Client(stack.api_url, key)

    def team(self, *, budget: str | None = "1000.00", **facts: Any) -> Team:
        """A team nobody else uses."""
        slug = f"team-{os.getpid()}-{next(_numbers)}"
        made = self.operator.post("/v1/teams", {"slug": slug, "name": slug.title(), **facts})
        assert made.status_code == 201, made.text
        team = Team(self.stack.api_url, made.json()["id"], slug, self.operator)
        if budget is not None:
            put = self.operator.put(f"/v1/teams/{slug}/budget", {"monthly_limit": budget})
            assert put.status_code == 200, put.text
        return team


class Emulator:
    """The provider's stand-in, seen from its control side."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=30, **PLAIN_HTTP)

    def log(self) -> dict[str, Any]:
        """Everything that had an effect, and what is billed."""
        answer: dict[str, Any] = self.http.get("/_emulator/log").json()
        return answer

    def jobs_of(self, *jobs: str) -> list[dict[str, Any]]:
        """Its own record of these jobs of ours, by the key we gave them."""
        keys = {submit_key(SETTINGS["environment"], read("job", job)) for job in jobs}
        return [one for one in self.log()["jobs"] if one["metadata"].get(SUBMISSION_KEY) in keys]

    def fault(self, **fault: Any) -> str:
        """Script a fault; returns its id."""
        made = self.http.post("/_emulator/faults", json=fault)
        assert made.is_success, made.text
        return str(made.json()["id"])

    def faults(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get("/_emulator/faults").json()
        return answer

    def release(self, fault: str) -> None:
        assert self.http.post(f"/_emulator/faults/{fault}/release").is_success

    def set(self, **settings: Any) -> None:
        assert self.http.post("/_emulator/settings", json=settings).is_success

    def advance(self, seconds: float) -> None:
        assert self.http.post("/_emulator/clock", json={"advance_seconds": seconds}).is_success

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Nothing trains on meanwhile, however busy this machine is, but by `advance`."""
        speed = self.http.get("/_emulator/clock").json()["speed"]
        self.http.post("/_emulator/clock", json={"speed": 0})
        try:
            yield
        finally:
            self.http.post("/_emulator/clock", json={"speed": speed})


def seed(stack: LocalStack) -> None:
    """What bootstrap does: the price book and the default connection, here to the emulator."""
    from pydantic import SecretStr

    with unit_of_work(CLI) as session:
        catalog.load_seed(session)
        connections.create(
            session, CLI,
            name="default", kind=connections.Kind.COMPATIBLE, provider="emulator",
            base_url=f"{stack.emulator_url}/v1", api_key=SecretStr(PROVIDER_KEY), is_default=True,
        )  # fmt: skip


@contextmanager
def in_this_process(environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process see the platform's settings, so that tests can look into its tables through its own units."""
    from service.kit.db import engine
    from service.kit.settings import settings
    from service.kit.storage import store

    caches = (settings, engine, store)
    before = {name: os.environ.get(name) for name in environment if name.startswith("TUNEPLANE_")}
    os.environ.update({name: environment[name] for name in before})
    for cached in caches:
        cached.cache_clear()
    try:
        yield
    finally:
        engine().dispose()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        for cached in caches:
            cached.cache_clear()


def conversations(count: int = 12, topic: str = "tide") -> bytes:
    """A valid chat file of so many short conversations, different for each topic."""
    import json

    lines = (
        {
            "messages": [
                {"role": "system", "content": "You keep the light."},
                {"role": "user", "content": f"What does the {topic} do at hour {n}?"},
                {"role": "assistant", "content": f"At hour {n} the {topic} turns {n * 7 % 13} times and rests."},
            ]
        }
        for n in range(count)
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def folder_of(tmp: Path, worker: str) -> Path:
    """Short, because unix sockets allow only about a hundred characters."""
    folder = tmp / worker
    folder.mkdir(parents=True, exist_ok=True)
    return folder
