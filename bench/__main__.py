"""Run benchmarks, print each as a ratio to the limit measured beside it, and keep the figures in bench/results.json."""

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from bench.row import Row

MODULES: Final = {
    "resolve_vs_bare_route": "bench.resolve",
    "turns_pass_ms": "bench.turns",
    "reserve_vs_bare_update": "bench.reserve",
    "report_vs_rollup": "bench.report",
    "follow_calls_per_s": "bench.follow",
    "validation_vs_tokenizer": "bench.validation",
    "validation_linearity": "bench.gigabyte",
}
_RESULTS: Final = Path(__file__).parent / "results.json"


def main(
    only: Annotated[str | None, typer.Option(help=f"One of {', '.join(MODULES)}.")] = None,
) -> None:
    """Measure what the promises rest on. Absolute figures drift with the machine; the ratios are the result."""
    if only is not None and only not in MODULES:
        raise typer.BadParameter(f"{only!r} is none of {', '.join(MODULES)}", param_hint="--only")
    console = Console(highlight=False, width=200)  # a table that wraps cannot be read, nor searched
    rows: list[Row] = []
    for name, module in MODULES.items():
        if only in (None, name):
            console.print(f"[dim]measuring {name} …[/]")
            rows += import_module(module).run()
    _keep(rows)
    console.print(_table(rows))


def _table(rows: list[Row]) -> Table:
    table = Table("benchmark", "value", "unit", "against", "its value", "ratio", box=None, padding=(0, 2))
    for row in rows:
        table.add_row(
            row.name, f"{row.value:,.1f}", row.unit, row.against, f"{row.against_value:,.1f}", f"[bold]{row.ratio:.2f}"
        )
    return table


def _keep(rows: list[Row]) -> None:
    """What was measured now replaces what was there by the same name; the rest stays."""
    kept = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    for row in rows:
        kept[row.name] = {
            "value": round(row.value, 3), "unit": row.unit, "against": row.against,
            "against_value": round(row.against_value, 3), "ratio": round(row.ratio, 3),
        }  # fmt: skip
    _RESULTS.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
