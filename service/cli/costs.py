"""`tuneplane costs`: what finance's records need beside the API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from service import costs
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.tables import WRITERS, Batch, Column

app = typer.Typer(
    no_args_is_help=True, help="The books: verify closed months, export them as FOCUS, check the sums reports read."
)

_WHOLE_LEDGER_SECONDS: Final = 3600.0


_SECONDS: Final = 3600.0
"""A request has to be done in less; months of many millions of entries are for the command line."""


@app.command()
def seal() -> None:
    """Make the seals that closed months lack: of a closing that died, or of a month too large for a request."""
    with unit_of_work(CLI, seconds=_SECONDS) as session:
        costs.seal_closed(session, CLI, at=clock.now())
        sealed = costs.closed_periods(session)
    typer.echo(f"{len(sealed)} closed months are sealed")


@app.command()
def verify(
    month: Annotated[str | None, typer.Option(help="A month as YYYY-MM; without it every closed one.")] = None,
) -> None:
    """Recompute the chain of hashes over closed months; exit code 1 and the first entry where one differs."""
    with read_only(CLI) as session:
        wanted = [costs.period(month)] if month else costs.closed_periods(session)
    broken = False
    for one in wanted:
        with read_only(CLI, seconds=_SECONDS) as session:
            verdict = costs.verify_period(session, one)
        broken = broken or not verdict.intact
        typer.echo(f"{verdict.month}\t{verdict.entries} entries\t{verdict.head}\t{_said(verdict.difference)}")
    raise typer.Exit(1 if broken else 0)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file to write.", dir_okay=False)],
    *,
    month: Annotated[str | None, typer.Option(help="A month as YYYY-MM; of billing periods all if absent.")] = None,
    dataset: Annotated[
        Literal["cost-and-usage", "billing-periods"], typer.Option(help="Which of FOCUS' datasets.")
    ] = "cost-and-usage",
    form: Annotated[Literal["csv", "parquet"], typer.Option("--format", help="How it is written.")] = "csv",
    focus_version: Annotated[costs.focus.Version, typer.Option(help="Of the specification.")] = costs.focus.LATEST,
) -> None:
    """Write the ledger as FOCUS, and its metadata into a file beside it that ends in `.metadata.json`."""
    columns: tuple[Column, ...]
    batches: Iterator[Batch]
    if dataset == "billing-periods":
        with read_only(CLI, seconds=_SECONDS) as session:
            rows = costs.focus.billing_periods(session, costs.period(month) if month else None)
        columns, batches = costs.focus.BILLING_PERIOD, iter([rows])
    elif month is None:
        raise typer.BadParameter("Give the month to export with --month YYYY-MM.")
    else:
        with unit_of_work(CLI) as session:
            begun = costs.focus.begin(session, costs.period(month), focus_version)
        columns, batches = tuple(one.column for one in begun.columns), _pages(begun)
    with out.open("wb") as file:
        for piece in WRITERS[form](columns, batches):
            file.write(piece)
    beside = out.with_name(f"{out.name}.metadata.json")
    beside.write_text(json.dumps(costs.focus.metadata(focus_version), indent=2) + "\n")
    typer.echo(f"{out} and {beside.name}")


def _pages(begun: costs.focus.Export) -> Iterator[Batch]:
    after = None
    while True:
        with read_only(CLI) as session:
            page = costs.focus.page(session, begun, after)
        yield page.rows
        if (after := page.after) is None:
            return


@app.command()
def check() -> None:
    """Compare the sums that reports read with the ledger; exit code 1 and the rows that differ. Reads all of it."""
    with read_only(CLI, seconds=_WHOLE_LEDGER_SECONDS) as session:
        found = costs.differences(session)
    for one in found:
        typer.echo(f"{one.table}\t{one.side}\t{' '.join(f'{name}={value}' for name, value in one.row.items())}")
    typer.echo(f"{len(found)} rows differ: run `tuneplane costs rebuild`." if found else "The sums are the ledger's.")
    raise typer.Exit(1 if found else 0)


@app.command()
def rebuild() -> None:
    """Make the sums that reports read anew from the ledger. Until it is done reports read the old ones."""
    with unit_of_work(CLI) as session:
        through = costs.booked_through(session)
    with unit_of_work(CLI, seconds=_WHOLE_LEDGER_SECONDS) as session:
        costs.rebuild(session, through)
    typer.echo(f"Added up, through entry {through}.")


def _said(difference: costs.SealDifference | None) -> str:
    if difference is None:
        return "intact"
    if difference.entry is None:
        return f"NOT INTACT: {difference.kind}"
    return f"NOT INTACT: {difference.entry} of {difference.day} {difference.kind}"
