"""The last good answers on disk: shared by processes that write, read, fork and die as they like."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.resolver.served import MAX_AGE_SECONDS, Served
from tests.resolver.twins import Asking, Threaded
from tests.until import until
from tuneplane_resolver import Unanswered
from tuneplane_resolver.answers import Answer, Freshness, Question
from tuneplane_resolver.core import Ask, Core
from tuneplane_resolver.lastgood import LastGood

ROOT = Path(__file__).parents[2]
QUESTION = Question("support-bot", "production")
WRITER = """
import itertools, sys, time
from tuneplane_resolver.answers import Answer, Freshness, Question
from tuneplane_resolver.lastgood import LastGood
files, question = LastGood(sys.argv[1], server="s", api_key="k"), Question("support-bot", "production")
for n in itertools.count(1):
    body = '{"model": "ft:%d", "version": %d, "base_model": "%s"}' % (n, n, "x" * 20_000)
    at = time.time()
    files.write(question, Answer.read(body, etag=None, current_at=at, freshness=Freshness(30)), now=at)
"""
FORKER = """
import os, ssl, sys
import httpx2
from tuneplane_resolver import Resolver
ahead = 0
import time
made = Resolver(sys.argv[1], sys.argv[2], now=lambda: time.time() + ahead, http=lambda: httpx2.Client(
    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
assert made.resolve("support-bot").model == "ft:one"
made._core._lock.acquire()  # as a thread of the parent may have, in the middle of it
ahead, children = 3600, []
for _ in range(4):
    child = os.fork()
    if child == 0:
        found = [made.resolve("support-bot") for _ in range(50)]
        os._exit(0 if all(one.model == "ft:one" and not one.is_stale for one in found) else 1)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    with ExitStack() as cleanup:

        def start() -> subprocess.Popen[bytes]:
            made = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT)
            cleanup.callback(made.wait)
            cleanup.callback(made.kill)
            return made

        yield start


def test_readers_see_whole_answers_and_never_an_older_one_while_writers_are_killed(
    tmp_path: Path, writers: Callable[[], subprocess.Popen[bytes]]
) -> None:
    files = LastGood(tmp_path, server="s", api_key="k")
    running = [writers() for _ in range(3)]
    until(lambda: files.read(QUESTION), within=20)
    newest, seen = 0.0, set()
    for n in range(3000):
        found = files.read(QUESTION)
        assert found is not None
        assert found.stable.model == f"ft:{found.stable.version}"
        assert found.current_at >= newest
        newest = found.current_at
        seen.add(newest)
        if n % 750 == 749:
            running[0].send_signal(signal.SIGKILL)
            running[0].wait()
            running = [*running[1:], writers()]
    assert len(seen) > 10


def test_processes_forked_off_resolve_on(served: Served) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKER, served.url, served.key],
        cwd=ROOT, timeout=60, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("damage", ["", "{}", "half", "flipped", "\0" * 4000])
def test_a_damaged_file_is_as_good_as_none(served: Served, started: Callable[..., Asking], damage: str) -> None:
    started().resolve("support-bot")
    (file,) = served.folder.glob("*.json")
    text = file.read_text()
    file.write_text({"half": text[: len(text) // 2], "flipped": text.replace("ft:one", "ft:two")}.get(damage, damage))
    with served.away(), pytest.raises(Unanswered):
        started().resolve("support-bot")
    assert started().resolve("support-bot").model == "ft:one"
    assert "ft:one" in file.read_text()


def test_a_folder_that_cannot_be_written_keeps_no_question_from_its_answer(
    served: Served, started: Callable[..., Asking], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file")
    resolver = started(folder=tmp_path / "taken" / "answers")
    assert resolver.resolve("support-bot").model == "ft:one"
    assert "could not be kept" in caplog.text
    with served.away():
        served.clock.ahead = MAX_AGE_SECONDS
        assert resolver.resolve("support-bot").is_stale


def test_files_are_their_owner_s_and_hold_no_key(served: Served) -> None:
    resolver = Threaded(served, folder=served.folder)
    resolver.resolve("support-bot")
    resolver.close()
    assert served.folder.stat().st_mode & 0o777 == 0o700
    (file,) = served.folder.glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(served.key[10:] in one.read_text() for one in served.folder.iterdir())
    assert not list(served.folder.glob(".*.new"))


def test_what_is_no_answer_is_no_news(tmp_path: Path) -> None:
    """The page of a proxy, for example, with status 200."""
    core = Core("https://tuneplane.example", "key", folder=tmp_path / "answers", now=lambda: 1000.0)
    ask = core.plan(QUESTION)
    assert isinstance(ask, Ask)
    for status, body in (
        (200, "<html>Please log in</html>"),
        (200, "[]"),
        (200, '{"model": ""}'),
        (302, ""),
        (500, ""),
    ):
        with pytest.raises(Unanswered):
            core.take(ask, status, {"cache-control": "max-age=30"}, body)
    assert not (tmp_path / "answers").exists()


def test_importing_and_making_one_does_nothing_yet(tmp_path: Path) -> None:
    code = f"""
import sys, threading
from tuneplane_resolver import AsyncResolver, Resolver
for kind in (Resolver, AsyncResolver):
    kind("http://127.0.0.1:9", "key", folder={str(tmp_path / "answers")!r})
ours = [name for name in sys.modules if name.split(".")[0] in ("service", "workers", "emulator", "openai", "pydantic")]
print(ours, threading.active_count())
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.split() == ["[]", "1"]
    assert not (tmp_path / "answers").exists()


def test_the_files_of_one_server_are_not_another_s(tmp_path: Path) -> None:
    body = '{"model": "ft:one", "version": 1, "base_model": "base"}'
    answer = Answer.read(body, etag=None, current_at=1.0, freshness=Freshness(30))
    LastGood(tmp_path, server="https://one.example", api_key="k").write(QUESTION, answer, now=2.0)
    assert LastGood(tmp_path, server="https://one.example", api_key="k").read(QUESTION) == answer
    assert LastGood(tmp_path, server="https://two.example", api_key="k").read(QUESTION) is None
