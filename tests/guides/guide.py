"""A guide run as its reader would: every block of shell and Python in it, in one shell, from the top to the end."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_FENCE: Final = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A reader sees an error on his screen and stops; a script has to be told. The program is the one of this checkout.
_PROLOGUE: Final = f"""set -euo pipefail
tuneplane() {{ PYTHONPATH={ROOT} {sys.executable} -m service.cli "$@"; }}
"""


@dataclass(frozen=True)
class Block:
    """What stands between two fences, and in which line it begins."""

    line: int
    language: str
    code: str


def blocks(guide: Path) -> list[Block]:
    """The guide's blocks that can be run, in their order."""
    text = guide.read_text()
    return [Block(text.count("\n", 0, found.start()) + 2, found[1], found[2]) for found in _FENCE.finditer(text)]


def run(guide: Path, folder: Path, **environment: str) -> str:
    """Run all its blocks in `folder`; what they printed, a heading with its line before each block's.

    Fails where a command does, naming the guide and the line its block begins in.
    """
    script = _PROLOGUE + "\n".join(_step(guide, block) for block in blocks(guide))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment | {"PATH": path, "HOME": str(folder)},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _step(guide: Path, block: Block) -> str:
    heading = f"echo; echo '## {guide.name}:{block.line}'"
    code = block.code if block.language == "sh" else f"python - <<'END_OF_BLOCK'\n{block.code}END_OF_BLOCK"
    return f"{heading}\n{code}"
