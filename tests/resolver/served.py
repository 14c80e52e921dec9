"""A team's model behind a real API process that can be stopped and started, and a clock that tests turn."""

import contextlib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

from service import registry, tenants
from service.cli.local import LocalStack
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.stack import Platform
from tests.tenants.factories import a_key
from tests.until import until

MAX_AGE_SECONDS = 30
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Clock:
    """The wall clock, put forward or back."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Served:
    """`support-bot` of one team, with the versions ft:one and ft:two."""

    stack: LocalStack
    team: TeamFacts
    key: str
    folder: Path
    clock: Clock = field(default_factory=Clock)

    @property
    def url(self) -> str:
        return self.stack.api_url

    def promote(self, version: int) -> None:
        """As a console would, whether the API runs or not; returns once a running one answers with it."""
        with unit_of_work(acting_for(self.team)) as session:
            registry.promote(
                session, acting_for(self.team), "support-bot", "production", version=version, reason="test",
                at=clock.now(),
            )  # fmt: skip
        if "api" in self.stack.processes._children:
            until(lambda: self.asked().json().get("version") == version, within=5)

    def asked(self) -> httpx2.Response:
        """What the API itself says."""
        return httpx2.get(
            f"{self.url}/v1/models/support-bot/resolve", headers={"Authorization": f"Bearer {self.key}"}, verify=NO_TLS
        )

    def stop(self) -> None:
        self.stack.processes.kill("api")

    def start(self) -> None:
        self.stack.start_api()
        until(lambda: self.asked().status_code == 200, within=15)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The API is killed, and started again."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The API takes connections and never answers."""
        process = psutil.Process(self.stack.processes.pid("api"))
        process.suspend()
        try:
            yield
        finally:
            process.resume()


def serve(stack: LocalStack, folder: Path) -> Served:
    """Start the API and promote the first of two versions."""
    stack.start_api()
    slug = Platform(stack).team().slug
    with read_only(CLI) as session:
        team = tenants.find_team(session, slug)
    _, key = a_key(team, tenants.Role.RESOLVER)
    for model in ("ft:one", "ft:two"):
        a_version(team, model=model)
    made = Served(stack, team, key, folder)
    made.promote(1)
    return made
