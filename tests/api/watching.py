"""A platform without workers, where nothing happens to a job but what the test does to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from service.cli.local import LocalStack, free_port
from service.datasets import flows
from service.jobs import progress, queries
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.ids import read
from tests.api.sse import Sent
from tests.stack import Client, Platform, Team, conversations

SETTINGS = {
    "stream_ping_seconds": "0.5",
    "streams_per_team_max": "8",
    "watch_poll_seconds": "1",
    "pool_size": "8",
}


class Watched:
    """A team with a job that stays queued."""

    def __init__(self, team: Team) -> None:
        self.team, self.client = team, team.member
        self.dataset = self.post_dataset("tide")
        self.validate(self.dataset)
        self.job = str(team.accepted(self.dataset)["id"])

    def post_dataset(self, topic: str, content: bytes | None = None) -> str:
        made = self.client.post("/v1/datasets", content=content or conversations(topic=topic))
        assert made.status_code == 202, made.text
        return str(made.json()["id"])

    def validate(self, dataset: str) -> None:
        flows.validate([read("dset", dataset)])

    def say(self, *messages: str, **data: Any) -> None:
        """What a worker does with the provider's events, in one transaction."""
        team_id = read("team", self.team.id)
        with unit_of_work(worker_for(team_id)) as session:
            row = queries.get(session, team_id, self.job, lock=True)
            for message in messages:
                progress._append(
                    session, row,
                    at=clock.now(), source="provider", level="info", type="message",
                    message=message, data=data, fingerprint=None,
                )  # fmt: skip

    def cancel(self) -> None:
        assert self.client.post(f"/v1/jobs/{self.job}/cancel").status_code == 202

    def history(self) -> list[dict[str, Any]]:
        """All events, as listed."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.client.get(f"/v1/jobs/{self.job}/events?limit=500&after={len(found)}").json()
            found += page["data"]
            if not page["has_more"]:
                return found


@dataclass
class Quiet:
    """An API without workers."""

    stack: LocalStack
    platform: Platform

    def watched(self) -> Watched:
        return Watched(self.platform.team())

    @contextmanager
    def another_api(self, name: str, **settings: str) -> Iterator[str]:
        """A second process over the same database, with settings of its own; gives its address."""
        port, before = free_port(), self.stack.environment
        self.stack.environment = before | {f"TUNEPLANE_{key.upper()}": value for key, value in settings.items()}
        try:
            self.stack.start_api(name, port=port)
        finally:
            self.stack.environment = before
        yield f"http://127.0.0.1:{port}"
        if name not in self.stack.processes.ended():
            self.stack.processes.stop(name)


def at(url: str, watched: Watched) -> Client:
    """The team's client at another process."""
    return Client(url, watched.client.key)


def events_of(sent: list[Sent]) -> list[dict[str, Any]]:
    """The job's own events, each checked against its frame."""
    found = [(one, json.loads(one.data)) for one in sent if one.id is not None]
    for one, event in found:
        assert (one.id, one.event) == (str(event["seq"]), event["type"])
    return [event for _, event in found]
