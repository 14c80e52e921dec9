"""A batch of work: many waits at once, side by side in threads, or what takes a process whole, one after the other."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

from service.kit import logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.settings import settings
from service.kit.work import Claim, Kind, StaleClaim

log = logs.get(__name__)

Item = TypeVar("Item")


def each(items: Sequence[Item], do: Callable[[Item], None]) -> None:
    """Do it to each item. One that fails is logged and left to its lease: it must not take the others with it."""
    if len(items) == 1:
        _guarded(do, items[0])
        return
    threads = min(len(items) or 1, settings().follow_threads, settings().pool_size)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda item: _guarded(do, item), items))


def one_by_one(kind: Kind, ids: Sequence[UUID], do: Callable[[Claim], None]) -> None:
    """Do it to those of `ids` that are due and free; each is claimed only when its turn has come."""
    for one in ids:
        with unit_of_work(WORKER) as session:
            claims = work.claim(session, kind, [one])
        each(claims, do)


def _guarded(do: Callable[[Item], None], item: Item) -> None:
    try:
        do(item)
    except StaleClaim as stale:
        log.info("work.stale", reason=str(stale))
    except Exception:
        log.exception("work.failed")
