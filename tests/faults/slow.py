"""Tests like those of `make test`, but too slow for it."""

import re
import subprocess
import sys

from tests.faults.matrix import Draw, fault
from tests.faults.site import Site


@fault(
    "slow-tests",
    "tests marked `faults`",
    injection="the demo is killed or told to stop in the middle of its tour; 100,000 broken lines are checked; "
    "of 300 MB whoever reads them is killed again and again; fifty clients of one budget are killed and cut off",
    expected="no process is left; each line is read within 50 ms; the report is one reader's; no snapshot shows a "
    "grant beyond the limit",
)
def slow_tests(site: Site, _draw: Draw) -> str:
    said = site.folder / "slow-tests.log"
    with said.open("w") as log:  # not a pipe: a server that outlives its test would keep it open
        command = [sys.executable, "-m", "pytest", "-q", "-m", "faults", "tests/cli", "tests/datasets", "tests/quotas"]
        done = subprocess.run(command, stdout=log, stderr=log, check=False)
    closing = re.search(r"^\d+ passed.*$", said.read_text(), re.MULTILINE)
    assert done.returncode == 0, said.read_text()[-4000:]
    assert closing is not None, said.read_text()[-4000:]
    return closing[0]
