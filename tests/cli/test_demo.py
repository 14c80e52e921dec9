"""`tuneplane dev demo`: the tour ends well, or badly when it should, and leaves no process behind either way."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.until import until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder that no other process names, short enough for sockets and passable for the servers' user."""
    made = Path(tempfile.gettempdir()) / f"tpd{os.getpid()}"
    made.mkdir(mode=0o711)
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=True)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", "dev", "demo", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def left(folder: Path) -> list[str]:
    """Command lines of processes that name the folder, in their arguments or their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            about = " ".join([*process.cmdline(), *process.environ().values()])
            if str(folder) in about and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def read_until(demo: subprocess.Popen[str], text: str) -> str:
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said:\n{said}")


def test_the_tour_goes_from_a_file_to_a_resolved_model_and_leaves_nothing(folder: Path) -> None:
    demo = start(folder, "--exit")
    said, _ = demo.communicate(timeout=240)
    assert demo.returncode == 0, said
    tuned = re.search(r"tuned: (ft:\S+)", said)
    assert tuned is not None
    assert "eighty-eighth" in said, "the tuned model knows what it was taught"
    assert re.search(r"asked again with its ETag: 304", said)
    assert left(folder) == []
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_trained_on_is_refused_clearly(folder: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"question": "Why?", "answer": "Because."}\n' * 12)
    demo = start(folder, "--exit", "--file", str(pairs))
    said, _ = demo.communicate(timeout=240)
    assert demo.returncode == 1, said
    assert "unsupported_format" in said
    assert "Traceback" not in said
    assert left(folder) == []


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        ("1. A team", signal.SIGINT),
        pytest.param("5. Follow it", signal.SIGKILL, marks=pytest.mark.faults),
        pytest.param("It stays up.", signal.SIGTERM, marks=pytest.mark.faults),
    ],
)
def test_interrupted_at_any_moment_it_leaves_no_process(folder: Path, moment: str, how: signal.Signals) -> None:
    demo = start(folder)
    read_until(demo, moment)
    demo.send_signal(how)
    demo.communicate(timeout=60)
    invited = moment == "It stays up."  # then it is how the demo is meant to end
    assert demo.returncode == (0 if invited else -9 if how == signal.SIGKILL else 128 + how)
    until(lambda: left(folder) == [], within=30, what="every process to end")
