"""A load generator of its own process: so many keep-alive connections, each asking again as soon as it is answered.

    python -m bench.load PORT CONNECTIONS SECONDS < requests

Reads the raw requests, parted by NUL, from its input and prints how many answers came, and in how many seconds. It must
cost less than the server it measures, so it parses the first answer only and counts bytes from then on: all of them
must be equally long.
"""

import asyncio
import itertools
import re
import sys
import time

import uvloop

_LENGTH = re.compile(rb"content-length: (\d+)")


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: "itertools.cycle[bytes]") -> None:
        self.answers = 0
        self._requests = requests
        self._answer_bytes = 0
        self._received = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        if not self._answer_bytes:
            self._received += data
            head, parted, _ = self._received.partition(b"\r\n\r\n")
            if not parted:
                return
            found = _LENGTH.search(head)
            if found is None or not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"not what is to be measured: {head!r}")
            self._answer_bytes = len(head) + len(parted) + int(found[1])
            self._missing, data = self._answer_bytes, self._received
        self._missing -= len(data)
        if self._missing == 0:
            self.answers += 1
            self._missing = self._answer_bytes
            self._transport.write(next(self._requests))
        elif self._missing < 0:
            raise RuntimeError("an answer was longer than the first one")


async def measure(port: int, connections: int, seconds: float, requests: list[bytes]) -> tuple[int, float]:
    """How many answers came, in how many seconds."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: sys.exit(str(context.get("exception") or context["message"])))
    cycle = itertools.cycle(requests)
    started = time.perf_counter()
    callers = [(await loop.create_connection(lambda: Caller(cycle), "127.0.0.1", port))[1] for _ in range(connections)]
    await asyncio.sleep(seconds)
    return sum(caller.answers for caller in callers), time.perf_counter() - started


if __name__ == "__main__":
    _port, _connections, _seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    _requests = sys.stdin.buffer.read().split(b"\0")
    print(*uvloop.run(measure(_port, _connections, _seconds, _requests)))
