"""Many waits at once: provider calls of one batch, side by side in threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.kit import logs
from service.kit.settings import settings
from service.kit.work import StaleClaim

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


def _guarded(do: Callable[[Item], None], item: Item) -> None:
    try:
        do(item)
    except StaleClaim as stale:
        log.info("work.stale", reason=str(stale))
    except Exception:
        log.exception("work.failed")
