"""Every command of docs/datasets.md works as it stands there, each block on datasets of its own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.datasets.chat import TALK, changed, file_of
from tests.stack import Team

ROOT: Final = Path(__file__).parents[2]
GUIDE: Final = (ROOT / "docs/datasets.md").read_text()
BLOCKS: Final = re.findall(r"^## (.*?)$|^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TOOLS: Final = ("bash", "curl", "jq", "gzip", "zstd")


def commands() -> Iterator[tuple[str, str]]:
    """Each block with the heading above it."""
    heading = ""
    for title, block in BLOCKS:
        heading = title or heading
        if block:
            yield heading, block


def talks(first: int, count: int) -> bytes:
    """A duplicate, an unknown key and a hundred lines: what the guide asks for is there."""
    lines = [changed(TALK, lambda e, n=n: e["messages"][1].update(content=f"When does light {n} turn?"))  # type: ignore[misc]
             for n in range(first, first + count)]  # fmt: skip
    return file_of([*lines, lines[0], changed(TALK, lambda e: e.update(note=first))])


def table() -> bytes:
    """With a row that is there twice."""
    rows = [f"What is {number}?,{('even', 'odd')[number % 2]}" for number in range(40)]
    return "\n".join(["text,category", *rows, rows[0], ""]).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the guide's reader has: two files, packed ones, and our command line."""
    (tmp_path / "train.jsonl").write_bytes(talks(0, 120))
    (tmp_path / "valid.jsonl").write_bytes(talks(100, 40))
    subprocess.run(["gzip", "-k", "train.jsonl"], cwd=tmp_path, check=True)
    command = tmp_path / "bin" / "tuneplane"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec env PYTHONPATH="{ROOT}" "{sys.executable}" -m service.cli "$@"\n')
    command.chmod(0o755)
    (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    return tmp_path


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize(("heading", "block"), list(commands()))
def test_the_commands_of_the_guide_work(team: Team, folder: Path, heading: str, block: str) -> None:
    posted = {
        "ID": team.ready_dataset(talks(0, 120))["id"],
        "VALIDATION": team.ready_dataset(talks(100, 40))["id"],
        "TABLE": team.ready_dataset(table(), "table.csv")["id"],
    }
    environment = {
        **os.environ, **posted, "TUNEPLANE": team.base_url, "KEY": team.member.key, "CURL_HOME": str(folder),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], env=environment, cwd=folder, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"{heading}\n{ran.stdout}\n{ran.stderr}"
    assert "null" not in ran.stdout.splitlines()  # nothing that jq asked for is missing
