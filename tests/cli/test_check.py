"""`tuneplane datasets check`, as a person at a terminal and a script in CI meet it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.datasets.flows import offline
from service.datasets.rules.report import Limit
from tests.datasets.chat import O200K, TALK, changed, file_of, good, line, read_all
from tests.until import until

COMMAND = [sys.executable, "-m", "service.cli", "datasets", "check"]
ROOT = Path(__file__).parents[2]
BROKEN = [*good(60)[:20], b"", changed(TALK, lambda e: e["messages"][1].update(role="boss")), *good(60)[20:]]


def check(*arguments: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], input=given, capture_output=True, cwd=ROOT, timeout=100, check=False
    )


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    file = tmp_path / "sound.jsonl"
    file.write_bytes(file_of(good(60)))
    return file


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "broken.jsonl"
    file.write_bytes(file_of(BROKEN))
    return file


def test_a_good_file_is_summed_up(sound: Path) -> None:
    done = check(sound)
    told = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "✓ sound.jsonl: chat, 60 examples in 60 lines; 0 errors, 0 warnings" in told
    assert "o200k_base, as the chat template counts" in told
    assert "gpt-4o-mini-2024-07-18" in told or "base model" not in told  # once nothing can be trained any more


def test_a_bad_file_says_where_as_compilers_do_and_fails(broken: Path) -> None:
    done = check(broken)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert lines[0] == f"{broken}:21: warning empty_line The line is empty; it is skipped."
    assert lines[1].startswith(f"{broken}:22: error unknown_role 'boss' is no role")
    assert lines[1].endswith("(/messages/1/role)")
    assert any("✗ broken.jsonl" in one for one in lines)
    assert "base model" not in done.stdout.decode()  # no price for what cannot be trained on


def test_what_is_not_shown_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_bytes(file_of([*good(60), *[b""] * 70]))
    assert f"{file}: and 20 more of empty_line" in check(file).stdout.decode().splitlines()


def test_json_is_the_whole_report_of_each_file(sound: Path, broken: Path) -> None:
    done = check(sound, "--validation", broken, "--json", "--model", "gpt-4o-mini")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    first, second = told["reports"]
    assert (first["state"], second["state"]) == ("ready", "invalid")
    assert first["tokens"][0]["notebook"]["per_example"]["total"] > 0
    assert [one["line"] for one in second["problems"]][:2] == [21, 22]
    assert [one["model"] for one in told["prices"]] == ["gpt-4o-mini-2024-07-18"]
    expected: Any = read_all(file_of(good(60))).as_json()
    assert {name: first[name] for name in expected} == json.loads(json.dumps(expected))


def test_what_both_files_share_is_named(sound: Path, tmp_path: Path) -> None:
    other = tmp_path / "held_out.jsonl"
    other.write_bytes(file_of([line(TALK), good(60)[7]]))
    lines = check(sound, "--validation", other).stdout.decode().splitlines()
    assert lines[-2] == f"{other}:2: warning shared_example The same example is line 8 of {sound}."
    assert lines[-1] == f"{other}: 1 of its examples are in {sound} too"
    assert json.loads(check(sound, "--validation", other, "--json").stdout)["shared"]["lines"] == [[8, 2]]


def test_the_notebooks_way_of_counting_is_shown_on_request(sound: Path) -> None:
    assert "as the notebook counts" in check(sound, "--counting", "notebook").stdout.decode()


def test_a_pipe_is_read_too() -> None:
    done = check("-", given=file_of(BROKEN))
    assert done.returncode == 1
    assert done.stdout.startswith(b"-:21: warning empty_line")


def test_another_format_says_how_to_prepare_it(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("text,label\n" + "a question,an answer\n" * 30)
    done = check(file)
    assert done.returncode == 1
    assert b"CSV with 2 columns" in done.stdout
    assert b"prepare" in done.stdout


def test_what_cannot_be_read_is_a_matter_of_usage(sound: Path, tmp_path: Path) -> None:
    assert check(tmp_path / "nowhere.jsonl").returncode == 2
    assert check(sound, "--model", "nobody").returncode == 2
    assert check(sound, "--counting", "fingers").returncode == 2


# ------------------------------------------------------------------------------------------------- many processes
def test_processes_that_share_a_file_say_what_one_reader_says(broken: Path) -> None:
    seen: list[int] = []
    limits = [Limit(O200K, 50)]
    found = offline.check_file(broken, limits, tell=seen.append, processes=2, segment_bytes=1500)
    alone = read_all(broken.read_bytes(), limits=limits)
    assert json.dumps(found.as_json()) == json.dumps(alone.as_json())
    assert found.billing == alone.billing
    assert seen == sorted(seen)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """More than a segment, and some seconds of work."""
    file = tmp_path / "long.jsonl"
    with file.open("wb") as written:
        for _ in range(70):
            written.write((line(TALK) + b"\n") * (1024 * 1024 // (len(line(TALK)) + 1)))
            written.write(b"\n" * 10)
    return file


def test_ctrl_c_ends_it_at_once_and_without_a_word(long: Path) -> None:
    started = subprocess.Popen(
        [*COMMAND, str(long)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    reader = psutil.Process(started.pid)
    children = until(lambda: found if len(found := reader.children()) >= 2 else None, within=60, what="two readers")
    os.killpg(started.pid, signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (130, b"", b"")
    psutil.wait_procs(children, timeout=10)
    assert not [one for one in children if one.is_running()]


def test_the_report_is_written_as_a_page(broken: Path, tmp_path: Path) -> None:
    made = check(broken, "--html", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert made.returncode == 1
    assert "Not ready." in text
    assert "unknown_role" in text
    assert "<a " not in text  # there is nothing to lead to
    refused = check(broken, "--html", tmp_path / "nowhere" / "report.html")
    assert (refused.returncode, b"cannot be written" in refused.stderr) == (2, True)
