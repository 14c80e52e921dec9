"""A client of event streams as the specification has it: what a blank line ended was received, the rest was not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.stack import Client


@dataclass
class Sent:
    """One event, with `retry` hints and comments in events of their own."""

    event: str | None = None
    id: str | None = None
    data: str = ""
    comment: str | None = None
    retry: int | None = None


@dataclass
class Reader:
    """An open stream, read piece by piece."""

    response: httpx2.Response
    _left: str = field(default="", init=False)

    def __iter__(self) -> Iterator[Sent]:
        for chunk in self.response.iter_text():
            yield from self.feed(chunk)

    def feed(self, text: str) -> Iterator[Sent]:
        *whole, self._left = (self._left + text).split("\n\n")
        yield from map(parse, whole)


def parse(block: str) -> Sent:
    sent = Sent()
    for line in block.split("\n"):
        name, _, value = line.partition(": ")
        if name == "":
            sent.comment = value
        elif name == "retry":
            sent.retry = int(value)
        else:
            setattr(sent, name, value)
    return sent


@contextmanager
def stream(client: Client, job: str, *, after: int | None = None, last: str | None = None) -> Iterator[Reader]:
    """A job's stream, opened; asserts that it was."""
    params: dict[str, Any] = {} if after is None else {"after": after}
    headers = {} if last is None else {"last-event-id": last}
    path = f"/v1/jobs/{job}/events/stream"
    with client.http.stream("GET", path, params=params, headers=headers, timeout=20) as response:
        if response.status_code != 200:
            response.read()
        assert response.status_code == 200, response.text
        yield Reader(response)
