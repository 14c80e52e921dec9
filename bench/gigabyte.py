"""A gigabyte of conversations (bench/corpus.py), through one process and through the platform.

- Linearity: processor time a megabyte of the whole file beside its first 10 and 100 MB, all checks on.
- Memory, as it is resident: of the API while it takes the file, of the worker while its two processes read it.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, process_time
from typing import Any, Final

import httpx2
import psutil

from bench import corpus
from bench.row import Row
from service.cli.embedded import PostgresServer, ValkeyServer
from service.cli.local import LocalStack, bring_up
from service.datasets.flows import offline

_MB: Final = 1_000_000
SIZES: Final = (10 * _MB, 100 * _MB, 1000 * _MB)
_CHUNK_BYTES: Final = 1024 * 1024
_WITHIN_SECONDS: Final = 600.0


def run() -> list[Row]:
    """Some four minutes on two cores of their own."""
    with tempfile.TemporaryDirectory(prefix="tp-bench-") as folder:
        path = Path(folder, "chats.jsonl")
        corpus.write(path, SIZES[-1], seed=7)
        few, more, most = _milliseconds(path)
        api, worker, seconds = _through_the_platform(path)
    print(f"the platform took {seconds:.0f} s from the end of the upload to the report")
    return [
        Row("validation_linearity_100_mb", more, "CPU ms/MB", "of 10 MB", few),
        Row("validation_linearity", most, "CPU ms/MB", "of 10 MB", few),
        Row("validation_worker_mb", worker, "MB", "promised", 400.0),
        Row("upload_api_mb", api, "MB", "promised", 150.0),
    ]


# ----------------------------------------------------------------------------------------------------------- linearity
def _milliseconds(path: Path) -> list[float]:
    """A megabyte takes so many, by how many of them there are."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_seconds, path, SIZES[0]).result()  # the tokenizer is loaded
        return [pool.submit(_seconds, path, size).result() / size * _MB * 1000 for size in SIZES]


def _seconds(path: Path, size: int) -> float:
    limits = offline.limits_of([])
    started = process_time()
    report = offline.check_stream(_beginning(path, size), limits)
    assert report.is_ready
    return process_time() - started


def _beginning(path: Path, size: int) -> Iterator[bytes]:
    """About so many bytes, up to the end of a line."""
    with path.open("rb") as file:
        left = size
        while left > 0 and (chunk := file.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
        yield file.readline()


# -------------------------------------------------------------------------------------------------------- the platform
def _through_the_platform(path: Path) -> tuple[float, float, float]:
    """(MB of the API, MB of the worker, seconds until there is a report)."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tp-bench-")))
        folder.chmod(0o711)  # Postgres runs as a user of its own when started by root
        postgres = cleanup.enter_context(PostgresServer(folder / "pg", durable=False))
        valkey = cleanup.enter_context(ValkeyServer(folder / "vk", durable=False))
        stack = cleanup.enter_context(LocalStack(postgres, valkey, folder))
        operator = cleanup.enter_context(_client(stack, bring_up(stack, speed=1)))
        team = _asked(operator.post("/v1/teams", json={"slug": "bench", "name": "Bench"}))["slug"]
        made = _asked(operator.post(f"/v1/teams/{team}/keys", json={"name": "bench", "role": "member"}))
        member = cleanup.enter_context(_client(stack, made["key"]))
        headers = {"Content-Type": "application/jsonl"}
        with _peak(lambda: _resident_mb(stack, "worker")) as worker:
            with _peak(lambda: _resident_mb(stack, "api")) as api, path.open("rb") as file:
                dataset = _asked(member.post("/v1/datasets", content=file, headers=headers))
            started = monotonic()
            while dataset["state"] not in ("ready", "invalid"):
                assert monotonic() < started + _WITHIN_SECONDS, dataset
                dataset = _asked(member.get(f"/v1/datasets/{dataset['id']}?wait=50"))
                print(f"  {dataset['state']}: {dataset['progress']}")
        assert dataset["state"] == "ready", dataset
        return api[0], worker[0], monotonic() - started


def _client(stack: LocalStack, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=stack.api_url, headers={"Authorization": f"Bearer {key}"}, timeout=300)


def _asked(answer: httpx2.Response) -> dict[str, Any]:
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


@contextmanager
def _peak(measure: Callable[[], float]) -> Iterator[list[float]]:
    """The highest figure meanwhile, looked at ten times a second."""
    highest, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            highest[0] = max(highest[0], measure())

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield highest
    finally:
        over.set()
        watching.join()


def _resident_mb(stack: LocalStack, name: str) -> float:
    """The largest of its processes."""
    first = psutil.Process(stack.processes.pid(name))
    return max(one.memory_info().rss for one in [first, *first.children(recursive=True)]) / 1e6
