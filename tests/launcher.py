"""Start a worker, or the API, with something put between its steps from outside: a crash, a pause, a mutation.

    python -m tests.launcher worker '{"strikes": "/tmp/folder"}' --concurrency 2
    python -m tests.launcher api '{"mutate": ["no_team_filter"]}' --port 8000
    python -m tests.launcher worker '{"clock_shift_seconds": 600}'

Nothing of this is in the service: the launcher imports it and replaces names in its modules.
"""

import functools
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

_TEAM_FILTER = re.compile(r"\b(?:\w+\.)?team_id = %\(\w+\)s(?:::UUID)?")
ANY = "any"
TELL = "TELL"


def main() -> None:
    what, given, *arguments = sys.argv[1:]
    spec = json.loads(given)
    for name in spec.get("mutate", []):
        MUTATIONS[name]()
    if "clock_shift_seconds" in spec:
        shift_clock(spec["clock_shift_seconds"])
    if "strikes" in spec:
        strikes = Path(spec["strikes"])
        for step in STEPS if what == "worker" else API_STEPS:
            expose(step, strikes)
        expose_commits(strikes)
    if what == "worker":
        from workers.app import app

        app.worker_main(["worker", "--without-gossip", "--without-mingle", "--without-heartbeat", *arguments])
    else:
        import uvicorn

        uvicorn.main([*arguments, "--factory", "service.api.app:create_app"])


# ------------------------------------------------------------------------------------------------------------ strikes
_PLACES = {
    "submission": "service.jobs.flows.submission",
    "searching": "service.jobs.flows.searching",
    "following": "service.jobs.flows.following",
    "gateway": "service.provider.openai.gateway",
    "validation": "service.datasets.flows.validation",
    "ranges": "service.datasets.flows.ranges",
    "jobs": "service.jobs",
    "idempotency": "service.kit.idempotency",
}
STEPS = (
    "submission.claim",
    "submission.reread",
    "submission.search",
    "submission.intent",
    "submission.record",
    "submission.record_refusal",
    "submission.record_unknown",
    "searching.record_found",
    "gateway.create_job",
    "following.record_progress",
    "validation.read",
    "validation.cut",
    "validation.put_together",
    "ranges.read",
    "ranges.record",
)
API_STEPS = ("jobs.submit", "idempotency.once")

_under_way = threading.local()  # the step whose commit is the next one of this thread


def order(strikes: Path, step: str, when: str, how: str, *, job: str = ANY) -> Path:
    """Have the next worker that comes by `step` end (KILL) or suspend itself (STOP).

    `when`: before or after the step, or in its `commit`, when COMMIT has left and its answer has not been read. `job`
    is a submit key, for a step on that job only. Returns the file that then holds the worker's process id: whoever
    renames the order to it strikes, so only one does. TELL strikes nobody: the file names whoever came by last.
    """
    struck = strikes / f"{step}.{when}@{job}.struck"
    draft = strikes / f"{step}.{when}@{job}.draft"
    draft.write_text(how)
    draft.rename(strikes / f"{step}.{when}@{job}")  # in one piece: a worker must not read half of it
    return struck


def expose(step: str, strikes: Path) -> None:
    """Put a look for orders on both sides of a step."""
    place, _, function = step.rpartition(".")
    module = _module(_PLACES[place])
    original = getattr(module, function)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        jobs = [ANY, *_jobs_in([*arguments, *options.values()])]
        _obey(strikes, f"{step}.before", jobs)
        _under_way.step, _under_way.jobs = step, jobs
        result = original(*arguments, **options)
        _obey(strikes, f"{step}.after", jobs)
        return result

    setattr(module, function, wrapped)


def expose_commits(strikes: Path) -> None:
    """Put a look for orders into the first commit after a step began, between what is sent and what is answered."""
    import psycopg

    original = psycopg.Connection.commit

    def commit(connection: "psycopg.Connection[Any]") -> None:
        step = getattr(_under_way, "step", None)
        _under_way.step = None
        how = step and _taken(strikes, f"{step}.commit", _under_way.jobs)
        if not how:
            original(connection)
            return
        connection.pgconn.send_query(b"COMMIT")
        connection.pgconn.flush()
        _strike(*how)
        answer = connection.pgconn.get_result()
        while connection.pgconn.get_result() is not None:
            pass
        if answer is None or answer.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError("the commit was not confirmed")

    _module("psycopg").Connection.commit = commit


def _obey(strikes: Path, place: str, jobs: list[str]) -> None:
    how = _taken(strikes, place, jobs)
    if how:
        _strike(*how)


def _taken(strikes: Path, place: str, jobs: list[str]) -> tuple[str, Path, Path] | None:
    """The order for this place that this thread is the one to carry out."""
    for job in jobs:
        asked, struck = strikes / f"{place}@{job}", strikes / f"{place}@{job}.struck"
        mine = strikes / f"{place}@{job}.{os.getpid()}.{threading.get_ident()}"
        try:
            asked.rename(mine)
        except FileNotFoundError:
            continue
        if (how := mine.read_text()) != TELL:
            return how, mine, struck
        mine.rename(asked)
        mine.write_text(str(os.getpid()))
        mine.rename(struck)
    return None


def _strike(how: str, mine: Path, struck: Path) -> None:
    mine.write_text(str(os.getpid()))
    mine.rename(struck)
    os.kill(os.getpid(), getattr(signal, f"SIG{how}"))


def _jobs_in(values: Any) -> Iterator[str]:
    """The submit keys of the jobs that a step's arguments name, in whatever shape."""
    from uuid import UUID

    from service.jobs.rules import submit_key
    from service.kit.settings import settings

    for value in values:
        if isinstance(value, UUID):
            yield submit_key(settings().environment, value)
        elif isinstance(value, list | tuple):
            yield from _jobs_in(value)
        elif hasattr(value, "claim"):  # an order
            yield from _jobs_in([value.claim.id])
        elif hasattr(value, "fence"):  # a claim
            yield from _jobs_in([value.id])
        elif isinstance(key := getattr(value, "key", None), str):  # what goes to the provider
            yield key


def shift_clock(seconds: float) -> None:
    """Let this process' wall clock go wrong by so much."""
    clock = _module("service.kit.clock")
    right = clock.now
    clock.now = lambda: right() + timedelta(seconds=seconds)


# ---------------------------------------------------------------------------------------------------------- mutations
def no_intent() -> None:
    """The intent is not committed before the call: a crash between call and record leaves no trace of it."""
    _module("service.jobs.flows.submission").intent = lambda _claimed: True


def no_fence() -> None:
    """A stale worker writes what it likes."""
    original = _module("service.kit.work").recording

    def unfenced(session: Any, model: Any, claimed: Any) -> Any:
        from sqlalchemy import select

        row = session.scalars(select(model).where(model.id == claimed.id).with_for_update()).one_or_none()
        return original(session, model, claimed) if row is None else row

    _replace_everywhere("recording", original, unfenced)


def retries_on() -> None:
    """The SDK repeats what it got no answer to, as it does unless told otherwise."""
    original = _module("service.provider.openai.client").client
    made = original.__wrapped__
    repeating = functools.lru_cache(lambda credentials: made(credentials).with_options(max_retries=2))
    _replace_everywhere("client", original, repeating)


def no_lock() -> None:
    """Everybody gets every lock."""
    from contextlib import contextmanager

    class Pretended:
        def is_held(self) -> bool:
            return True

    @contextmanager
    def open_door(_claimed: Any) -> Any:
        yield Pretended()

    _module("service.jobs.flows.submission").lock = open_door


def _module(name: str) -> Any:
    return import_module(name)


def _replace_everywhere(name: str, original: Any, other: Any) -> None:
    """In each module of ours that took the name when it was imported."""
    _module("workers.schedule")
    for module in [one for path, one in sys.modules.items() if path.startswith("service.")]:
        if getattr(module, name, None) is original:
            setattr(module, name, other)


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
