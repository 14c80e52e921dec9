"""Start a worker, or the API, with something put between its steps from outside: a crash, a pause, a mutation.

    python -m tests.launcher worker '{"kill": ["submission.intent", "after"], "marker": "/tmp/x"}' --concurrency 2
    python -m tests.launcher api '{"mutate": ["no_team_filter"]}' --port 8000

Nothing of this is in the service: the launcher imports it and replaces names in its modules.
"""

import functools
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

_TEAM_FILTER = re.compile(r"\b(?:\w+\.)?team_id = %\(\w+\)s(?:::UUID)?")


def main() -> None:
    what, given, *arguments = sys.argv[1:]
    spec = json.loads(given)
    for name in spec.get("mutate", []):
        MUTATIONS[name]()
    if "kill" in spec:
        strike(*spec["kill"], marker=Path(spec["marker"]), how=spec.get("how", "KILL"))
    if what == "worker":
        from workers.app import app

        app.worker_main(["worker", "--without-gossip", "--without-mingle", "--without-heartbeat", *arguments])
    else:
        import uvicorn

        uvicorn.main([*arguments, "--factory", "service.api.app:create_app"])


def strike(step: str, when: str, *, marker: Path, how: str) -> None:
    """End (KILL) or suspend (STOP) the process beside a step, once in all: whoever makes the marker strikes."""
    module, function = _target(step)
    original = getattr(module, function)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            _strike_once(marker, how)
        result = original(*arguments, **options)
        if when == "after":
            _strike_once(marker, how)
        return result

    setattr(module, function, wrapped)


def _strike_once(marker: Path, how: str) -> None:
    try:
        descriptor = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    os.write(descriptor, str(os.getpid()).encode())
    os.close(descriptor)
    os.kill(os.getpid(), getattr(signal, f"SIG{how}"))


def _target(step: str) -> tuple[Any, str]:
    module, _, function = step.rpartition(".")
    places = {
        "submission": "service.jobs.flows.submission",
        "following": "service.jobs.flows.following",
        "gateway": "service.provider.openai.gateway",
        "validation": "service.datasets.flows",
    }
    return _module(places[module]), function


def _module(name: str) -> Any:
    return import_module(name)


# ---------------------------------------------------------------------------------------------------------- mutations
def no_intent() -> None:
    """The intent is not committed before the call: a crash between call and record leaves no trace of it."""
    submission = _module("service.jobs.flows.submission")
    submission.intent = lambda _claimed: True


def no_fence() -> None:
    """A stale worker writes what it likes."""
    work = _module("service.kit.work")
    original = work.recording

    def unfenced(session: Any, model: Any, claimed: Any) -> Any:
        from sqlalchemy import select

        row = session.scalars(select(model).where(model.id == claimed.id).with_for_update()).one_or_none()
        return original(session, model, claimed) if row is None else row

    work.recording = unfenced


def retries_on() -> None:
    """The SDK repeats what it got no answer to, as it does unless told otherwise."""
    gateway = _module("service.provider.openai.gateway")
    original = gateway._client.__wrapped__
    gateway._client = functools.lru_cache(lambda credentials: original(credentials).with_options(max_retries=2))


def no_lock() -> None:
    """Everybody gets every lock."""
    from contextlib import contextmanager

    class Pretended:
        def is_held(self) -> bool:
            return True

    @contextmanager
    def open_door(_claimed: Any) -> Any:
        yield Pretended()

    submission = _module("service.jobs.flows.submission")
    submission.lock = open_door


def no_team_filter() -> None:
    """Queries no longer filter by team themselves: what still keeps teams apart is row-level security alone."""
    from sqlalchemy import event

    from service.kit.db import engine

    def unfiltered(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> tuple[str, Any]:
        return _TEAM_FILTER.sub("true", statement), parameters

    event.listen(engine(), "before_cursor_execute", unfiltered, retval=True)


MUTATIONS: dict[str, Callable[[], None]] = {
    one.__name__: one for one in (no_intent, no_fence, retries_on, no_lock, no_team_filter)
}

if __name__ == "__main__":
    main()
