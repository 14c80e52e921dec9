"""A tiny HTTP server that says what it is told to and remembers what arrived, for answers no emulator gives."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from uuid import UUID

from service.kit.ids import new_id
from service.provider.shapes import Credentials

JOB = {"id": "ftjob-1", "object": "fine_tuning.job", "created_at": 1, "status": "queued", "model": "m"}


def refusal(message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": "error", "param": param, "code": code}}


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]  # by name in lower case


@dataclass
class Answering:
    """Gives `answer` (status, headers, body) to everything; `meanwhile` runs before each answer."""

    answer: tuple[int, dict[str, str], Any] = (200, {}, JOB)
    meanwhile: Callable[[], None] = lambda: None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                sent = {name.lower(): value for name, value in self.headers.items()}
                answering.requests.append(Request(self.command, self.path, sent))
                answering.meanwhile()
                status, headers, body = answering.answer
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                usual = {"Content-Type": "application/json", "Content-Length": str(len(content))}
                for name, value in (usual | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - http.server's own name

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def account(self, *, account: UUID | None = None, kind: str = "openai", **facts: Any) -> Credentials:
        """An account of its own at this server."""
        url = f"http://127.0.0.1:{self.server.server_port}/v1"
        return Credentials(kind, url, facts.pop("api_key", "sk-own"), account=account or new_id(), **facts)
