"""`tuneplane datasets check`: what the platform would say of a file, on this machine and without any service.

What was found goes to stdout: a line a problem, as compilers write them, then a summary. The bar goes to stderr.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from service import catalog, datasets
from service.cli.summary import Counting, leak_lines, problem_lines, summary
from service.datasets.flows import offline
from service.datasets.flows.offline import Limit, Report, TrainingPrice
from service.kit import clock

app = typer.Typer(no_args_is_help=True, help="Training files.")

_PROVIDER: Final = "openai"
_STDIN: Final = Path("-")
_INTERRUPTED: Final = 130  # 128 and the number of SIGINT, as shells have it

Offered = list[tuple[catalog.BaseModelFacts, catalog.PriceFacts | None]]
TrainingFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, allow_dash=True, help="The training file; - is stdin.")
]
ValidationFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Check this one too, and what the two share.")
]


@app.callback()
def group() -> None:
    """Training files."""


@app.command()
def check(
    file: TrainingFile,
    *,
    validation: ValidationFile = None,
    model: Annotated[str | None, typer.Option(help="For this base model, not for all that can be trained.")] = None,
    counting: Annotated[Counting, typer.Option(help="As the chat template counts, or OpenAI's notebook.")] = (
        Counting.TEMPLATE
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the report there, as a page.")] = None,
    progress: Annotated[bool, typer.Option(help="Show a bar while reading, on a terminal.")] = True,
) -> None:
    """Check a training file as the platform would. Exit code 1 when it has errors, 2 when it cannot be read."""
    models = _offered(model)
    limits = offline.limits_of(one for one, _ in models)
    files = {file: True} | ({validation: False} if validation else {})
    try:
        reports = {path: _read(path, limits, trains=trains, bar=progress) for path, trains in files.items()}
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    prices = offline.quotes(reports[file], models)
    leak = offline.leak(reports[file], reports[validation]) if validation else None
    if html is not None:
        _write(html, file, reports[file], prices)
    if as_json:
        told = {
            "reports": [_as_json(path, one) for path, one in reports.items()],
            "prices": [one.model_dump(mode="json") for one in prices],
            "shared": leak and leak._asdict(),
        }
        typer.echo(msgspec.json.encode(told).decode())
    else:
        for path, report in reports.items():
            _tell(path, report, counting, prices if path == file else [])
        for one in leak_lines(file, validation, leak) if validation and leak else ():
            typer.echo(one)
    raise typer.Exit(0 if all(one.is_ready for one in reports.values()) else 1)


def _write(html: Path, path: Path, report: Report, prices: list[TrainingPrice]) -> None:
    """The page that the API shows, without links: there is nothing to lead to."""
    from service.api.report_page import page

    shown = datasets.ReportView(
        dataset="", state=datasets.State.READY if report.is_ready else datasets.State.INVALID, format=report.format,
        examples=report.examples, errors=report.errors, warnings=report.warnings, prices=prices,
        default_epochs=datasets.default_epochs(report.examples) if report.is_ready and report.examples else None,
        **report.as_json(),
    )  # fmt: skip
    try:
        html.write_text(page(shown, name=path.name, file=path.name, checked_at=clock.now()))
    except OSError as error:
        raise typer.BadParameter(f"{html} cannot be written: {error.strerror or error}") from error


def _tell(path: Path, report: Report, counting: Counting, prices: Sequence[TrainingPrice]) -> None:
    for line in problem_lines(path, report):
        typer.echo(line)
    Console(highlight=False).print(summary(path, report, counting, prices), soft_wrap=True)


def _as_json(path: Path, report: Report) -> dict[str, Any]:
    """What the API says of a dataset, under the same names."""
    found = {"file": str(path), "state": "ready" if report.is_ready else "invalid", "format": report.format,
             "examples": report.examples, "errors": report.errors, "warnings": report.warnings}  # fmt: skip
    return found | report.as_json() | {"billing": report.billing_json()}


def _offered(name: str | None) -> Offered:
    try:
        return catalog.trainable_offline(_PROVIDER, clock.now(), name)
    except catalog.UnknownBaseModel as unknown:
        raise typer.BadParameter(str(unknown), param_hint="--model") from unknown


def _read(path: Path, limits: Sequence[Limit], *, trains: bool, bar: bool) -> Report:
    try:
        size = None if path == _STDIN else path.stat().st_size
        with _bar(path, size, shown=bar) as tell:
            if path == _STDIN:
                return offline.check_stream(offline.chunks(sys.stdin.buffer), limits, trains=trains, tell=tell)
            return offline.check_file(path, limits, trains=trains, tell=tell)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def _bar(path: Path, size: int | None, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """On a terminal; it draws only when told, so that no thread is there when the pool makes its processes."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, auto_refresh=False, disable=hidden) as progress:
        task = progress.add_task(path.name, total=size)
        yield lambda read: progress.update(task, completed=read, refresh=True)
