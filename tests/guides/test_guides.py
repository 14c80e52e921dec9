"""The guides in docs/ do what they say: every block in them is run, from the top to the end."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from service import tenants
from service.cli.local import LocalStack
from service.kit.db import read_only
from service.kit.identity import CLI
from tests.costs.factories import spend
from tests.guides.guide import ROOT, run
from tests.stack import Platform
from tests.tenants.factories import a_key


def test_finance_closes_a_month(own_platform: Callable[..., LocalStack], tmp_path: Path) -> None:
    stack = own_platform()
    stack.start_api()
    operator = Platform(stack).operator
    operator.post("/v1/teams", {"slug": "support-bot", "name": "Support bot", "cost_center": "CC-1"})
    operator.put("/v1/teams/support-bot/budget", {"monthly_limit": "100"})
    with read_only(CLI) as session:
        team = tenants.find_team(session, "support-bot")
    spend(team, 1_000_000, at=datetime(2026, 10, 9, 12, tzinfo=UTC))
    _, key = a_key(None, tenants.Role.FINANCE)
    told = run(ROOT / "docs" / "finance.md", tmp_path, T=stack.api_url, KEY=key, **stack.environment)
    assert '"intact":true' in told
    assert "\tintact" in told
    total = duckdb.read_parquet(str(tmp_path / "focus.parquet")).aggregate("sum(BilledCost)::text").fetchall()
    assert total == [("15.2500000000",)]  # 3 trained, 0.25 given back, 12.50 of the contract
    assert (tmp_path / "costs.xlsx").read_bytes()[:2] == b"PK"
    assert json.loads((tmp_path / "metadata.json").read_text()) == json.loads(
        (tmp_path / "focus.csv.metadata.json").read_text()
    )
