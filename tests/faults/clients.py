"""Clients that write down what they asked and what they were told, for the checker: Jepsen's way of keeping history.

A line before each request (`invoke`) and one after it: `ok` (2xx), `fail` (4xx: surely without effect) or `info`
(5xx, timeout, connection lost: nobody knows). Every request to create a job carries an Idempotency-Key of its own.
"""

import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from tests.api.sse import stream
from tests.stack import Team
from tests.until import until

RETRY_WITHIN_SECONDS = 60.0
_RECONNECT_SECONDS = 0.5
_watchers = itertools.count(1)


@dataclass
class History:
    """The lines one client writes, each at once: what is written survives whatever happens next."""

    file: Path
    process: str
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def note(self, op: str, phase: str, **facts: Any) -> None:
        line = json.dumps({"process": self.process, "op": op, "phase": phase, "at": time.time(), **facts})
        with self._lock, self.file.open("a") as lines:
            lines.write(line + "\n")


@dataclass
class Submitter:
    """A team's client that submits jobs and reads them; may be used by many threads."""

    team: Team
    dataset: str
    history: History

    def __post_init__(self) -> None:
        self.reader = self.team.viewer  # its key is made now, before anything is broken

    def submit(self, key: str | None = None, *, patience_seconds: float = 30, **request: Any) -> httpx2.Response | None:
        """One try: the answer, if one came in time."""
        key = key or uuid4().hex
        body = {"model": "gpt-4o-mini-2024-07-18", "dataset": self.dataset, **request}
        headers = {"Idempotency-Key": key}
        self.note("invoke", key)
        try:
            answer = self.team.member.post("/v1/jobs", body, headers=headers, timeout=patience_seconds)
        except httpx2.TransportError:
            self.note("info", key)
            return None
        if answer.is_success:
            self.note("ok", key, job=answer.json()["id"])
        else:
            self.note("fail" if answer.is_client_error else "info", key, status=answer.status_code)
        return answer

    def accepted(self, key: str | None = None, **request: Any) -> str:
        """The id of a job that was taken; asked for again, under the same key, as long as nobody knows."""
        key = key or uuid4().hex

        def taken() -> str | None:
            answer = self.submit(key, **request)
            if answer is None or answer.status_code >= 500:
                return None
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        return until(taken, within=RETRY_WITHIN_SECONDS, what=f"the request with key {key} to be answered")

    def many(self, count: int, **request: Any) -> list[str]:
        """So many jobs, from some threads at once."""
        with ThreadPoolExecutor(6) as threads:
            return list(threads.map(lambda _: self.accepted(**request), range(count)))

    def note(self, phase: str, key: str, **facts: Any) -> None:
        self.history.note("submit", phase, team=self.team.id, key=key, **facts)

    def read(self, job: str) -> dict[str, Any] | None:
        """How the job stands, None where the API does not say."""
        try:
            answer = self.team.member.get(f"/v1/jobs/{job}")
        except httpx2.TransportError:
            return None
        if not answer.is_success:
            return None
        view: dict[str, Any] = answer.json()
        self.history.note("read", "ok", team=self.team.id, job=job, state=view["state"])
        return view


class Watcher(threading.Thread):
    """Follows one job's stream of events to its end, and reads the job now and then, whatever comes between."""

    def __init__(self, client: Submitter, job: str) -> None:
        super().__init__(name=f"watcher {next(_watchers)} of {job}", daemon=True)
        self.reader, self.job = client.reader, job
        self.history = History(client.history.file.with_name(f"{self.name.replace(' ', '-')}.jsonl"), self.name)
        self.client = Submitter(client.team, client.dataset, self.history)
        self.last = 0

    def run(self) -> None:
        """Connect again as often as it takes, each time from where the last stream ended."""
        while not self._has_seen_the_end():
            self.client.read(self.job)
            time.sleep(_RECONNECT_SECONDS)

    def _has_seen_the_end(self) -> bool:
        try:
            with stream(self.reader, self.job, last=str(self.last)) as events:
                for sent in events:
                    if sent.id is not None:
                        self.last = int(sent.id)
                        self.history.note("event", "ok", team=self.client.team.id, job=self.job, seq=self.last)
                    elif sent.event == "done":
                        return self.client.read(self.job) is not None
        except (httpx2.TransportError, AssertionError):  # cut off, or refused for now
            return False
        return False
