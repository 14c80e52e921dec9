"""`tuneplane costs`: what finance's records need beside the API."""

from typing import Annotated

import typer

from service import costs
from service.kit.db import read_only
from service.kit.identity import CLI
from service.kit.settings import settings

app = typer.Typer(no_args_is_help=True, help="The ledger: verify closed months.")


@app.callback()
def _costs() -> None:
    """Say the command even while there is only one."""


@app.command()
def verify(
    month: Annotated[str | None, typer.Option(help="A month as YYYY-MM; without it every closed one.")] = None,
) -> None:
    """Recompute the chain of hashes over closed months; exit code 1 and the first entry where one differs."""
    with read_only(CLI) as session:
        wanted = [costs.period(month)] if month else costs.closed_periods(session)
    broken = False
    for one in wanted:
        with read_only(CLI, seconds=settings().worker_unit_seconds) as session:
            verdict = costs.verify_period(session, one)
        broken = broken or not verdict.intact
        typer.echo(f"{verdict.month}\t{verdict.entries} entries\t{verdict.head}\t{_said(verdict.difference)}")
    raise typer.Exit(1 if broken else 0)


def _said(difference: costs.SealDifference | None) -> str:
    if difference is None:
        return "intact"
    if difference.entry is None:
        return f"NOT INTACT: {difference.kind}"
    return f"NOT INTACT: {difference.entry} of {difference.day} {difference.kind}"
