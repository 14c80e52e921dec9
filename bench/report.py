"""Cost reports over five million entries, through HTTP, each in turns with its limit in the same run.

`report_vs_rollup`: all 48,000 rows (team, base model, month) against a bare route that fetches a roll-up made by hand.
`report_vs_group_by`: one team's report against a bare route that adds its entries up with GROUP BY.
`export_memory`: what the server holds at most while it sends a million entries as CSV, against while it sends a fifth.
"""

import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx2
import msgspec
import psutil

from bench import ledger
from bench.bare_report import URL
from bench.row import Row
from service.cli.local import PYTHON, LocalStack, free_port

ROUNDS: Final = 7
_SPAN: Final = "start={}&end={}".format(*ledger.DAYS)
_WHOLE: Final = f"/v1/costs?{_SPAN}&group_by=team,base_model,month"
_ENTRIES: Final = "/v1/costs/entries?format=csv&start={}&end=2026-11-01"
_MILLION: Final = ("2026-06-08", 1_000_000)
_FIFTH: Final = ("2026-10-03", 198_000)


def run() -> list[Row]:
    """Medians of seven requests each, after one that warms up."""
    with ExitStack() as cleanup:
        stack = ledger.platform(cleanup)
        stack.start_api()
        port = free_port()
        stack.environment[URL] = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")
        launcher: list[str | Path] = [PYTHON, "-m", "uvicorn", "--factory", "bench.bare_report:app"]
        stack.start_api("bare", port=port, launcher=launcher)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as bare:
            rows = [_whole(stack, bare), _one_team(stack, bare)]
        return [*rows, _export(stack)]


def _whole(stack: LocalStack, bare: httpx2.Client) -> Row:
    with _client(stack, ledger.FINANCE) as finance:
        ours, limit = _in_turns(finance, _WHOLE, bare, "/rollup")
    return Row("report_vs_rollup", ours, "ms", "a bare route that fetches a roll-up made by hand", limit)


def _one_team(stack: LocalStack, bare: httpx2.Client) -> Row:
    with _client(stack, ledger.VIEWER) as viewer:
        ours, limit = _in_turns(viewer, _WHOLE, bare, f"/group-by?team={ledger.TEAM}")
    return Row("report_vs_group_by", limit, "ms of GROUP BY over the team's entries", "its report, in ms", ours)


def _client(stack: LocalStack, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=stack.api_url, headers={"Authorization": f"Bearer {key}"}, timeout=120)


def _in_turns(ours: httpx2.Client, path: str, bare: httpx2.Client, bare_path: str) -> tuple[float, float]:
    """Milliseconds of each; both must say the same."""
    (_, report), (_, rows) = _asked(ours, path), _asked(bare, bare_path)
    assert len(report["rows"]) == len(rows["rows"]) > 0
    assert Decimal(report["total"]["cost"]) == sum(Decimal(row["cost"]) for row in rows["rows"])
    pairs = [(_asked(ours, path)[0], _asked(bare, bare_path)[0]) for _ in range(ROUNDS)]
    return median(one for one, _ in pairs), median(one for _, one in pairs)


def _asked(client: httpx2.Client, path: str) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = client.get(path)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, answer.text
    return took, msgspec.json.decode(answer.content)


def _export(stack: LocalStack) -> Row:
    server = psutil.Process(stack.processes.pid("api"))
    with _client(stack, ledger.FINANCE) as finance:
        fifth, million = (_peak_mib(server, finance, *asked) for asked in (_FIFTH, _MILLION))
    return Row("export_memory", million, "MiB at most while a million entries are sent", "while a fifth is", fifth)


def _peak_mib(server: psutil.Process, client: httpx2.Client, start: str, rows_min: int) -> float:
    """The most memory the server had while it sent the entries since that day; prints how fast it was."""
    began, lines, most, sent = time.perf_counter(), 0, 0, 0
    with client.stream("GET", _ENTRIES.format(start)) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            lines, sent = lines + piece.count(b"\n"), sent + len(piece)
            most = max(most, server.memory_info().rss)
    assert lines > rows_min, lines
    took = time.perf_counter() - began
    print(f"{lines - 1:,} entries, {sent / 1e6:,.0f} MB of CSV in {took:,.1f} s, at most {most / 2**20:,.0f} MiB")
    return most / 2**20
