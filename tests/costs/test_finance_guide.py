"""docs/finance.md: every command in it works, in its order."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from service import tenants
from service.kit.db import read_only
from service.kit.identity import CLI
from tests.conftest import Launch
from tests.costs.factories import spend
from tests.stack import Platform
from tests.tenants.factories import a_key

GUIDE = Path(__file__).parents[2] / "docs" / "finance.md"
ROOT = GUIDE.parents[1]


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the guide's commands are curl and jq")
def test_every_command_of_the_guide_works(launch: Launch, tmp_path: Path) -> None:
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        stack.start_api()
        platform = Platform(stack)
        platform.operator.post("/v1/teams", {"slug": "support-bot", "name": "Support bot", "cost_center": "CC-1"})
        platform.operator.put("/v1/teams/support-bot/budget", {"monthly_limit": "100"})
        with read_only(CLI) as session:
            team = tenants.find_team(session, "support-bot")
        spend(team, 1_000_000, at=datetime(2026, 10, 9, 12, tzinfo=UTC))
        _, key = a_key(None, tenants.Role.FINANCE)
        script = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL))
        preamble = f'set -euo pipefail\ntuneplane() {{ PYTHONPATH={ROOT} {sys.executable} -m service.cli "$@"; }}\n'
        ran = subprocess.run(
            ["bash", "-c", preamble + script],
            cwd=tmp_path,
            env={**os.environ, **stack.environment, "T": stack.api_url, "KEY": key},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert '"intact":true' in ran.stdout
    assert "\tintact" in ran.stdout
    total = duckdb.read_parquet(str(tmp_path / "focus.parquet")).aggregate("sum(BilledCost)::text").fetchall()
    assert total == [("15.2500000000",)]  # 3 trained, 0.25 given back, 12.50 of the contract
    assert (tmp_path / "costs.xlsx").read_bytes()[:2] == b"PK"
    assert json.loads((tmp_path / "metadata.json").read_text()) == json.loads(
        (tmp_path / "focus.csv.metadata.json").read_text()
    )
