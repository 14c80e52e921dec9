"""Start a worker, or the API, with something put between its steps from outside: a crash, a pause, a mutation.

    python -m tests.launcher worker '{"strikes": "/tmp/folder"}' --concurrency 2
    python -m tests.launcher api '{"mutate": ["no_team_filter"]}' --port 8000

Nothing of this is in the service: the launcher imports it and replaces names in its modules.
"""

import functools
import json
import os
import re
import signal
import sys
import threading
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
    if "strikes" in spec:
        for step in STEPS:
            expose(step, Path(spec["strikes"]))
    if what == "worker":
        from workers.app import app

        app.worker_main(["worker", "--without-gossip", "--without-mingle", "--without-heartbeat", *arguments])
    else:
        import uvicorn

        uvicorn.main([*arguments, "--factory", "service.api.app:create_app"])


STEPS = (
    "submission.claim",
    "submission.reread",
    "submission.search",
    "submission.intent",
    "submission.record",
    "gateway.create_job",
    "following.record_progress",
    "validation.check",
)


def order(strikes: Path, step: str, when: str, how: str) -> Path:
    """Have the next worker that comes by `step` end (KILL) or suspend itself (STOP) `when` before or after it.

    Returns the file that then holds the worker's process id: whoever renames the order to it strikes, so only one does.
    """
    (strikes / f"{step}.{when}").write_text(how)
    return strikes / f"{step}.{when}.struck"


def expose(step: str, strikes: Path) -> None:
    """Put a look for orders on both sides of a step."""
    module, function = _target(step)
    original = getattr(module, function)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        _obey(strikes, f"{step}.before")
        result = original(*arguments, **options)
        _obey(strikes, f"{step}.after")
        return result

    setattr(module, function, wrapped)


def _obey(strikes: Path, place: str) -> None:
    mine = strikes / f"{place}.{os.getpid()}.{threading.get_ident()}"
    try:
        (strikes / place).rename(mine)
    except FileNotFoundError:
        return
    how = mine.read_text()
    mine.write_text(str(os.getpid()))
    mine.rename(strikes / f"{place}.struck")
    os.kill(os.getpid(), getattr(signal, f"SIG{how}"))


def _target(step: str) -> tuple[Any, str]:
    module, _, function = step.rpartition(".")
    places = {
        "submission": "service.jobs.flows.submission",
        "following": "service.jobs.flows.following",
        "gateway": "service.provider.openai.gateway",
        "validation": "service.datasets.flows.validation",
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
    jobs = _module("service.provider.openai.jobs")
    original = jobs.client.__wrapped__
    jobs.client = functools.lru_cache(lambda credentials: original(credentials).with_options(max_retries=2))


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
