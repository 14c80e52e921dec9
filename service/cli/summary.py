"""A report on a training file as a person reads it on a terminal."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from rich.console import ConsoleRenderable, Group
from rich.table import Table
from rich.text import Text

from service.datasets.flows.offline import Leak, Report, TrainingPrice
from service.kit import money

_BAR_CELLS: Final = 40
_SHARED_SHOWN: Final = 50
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


class Counting(StrEnum):
    """Whose way of counting is shown."""

    TEMPLATE = "template"
    NOTEBOOK = "notebook"


def problem_lines(path: Path, report: Report) -> Iterator[str]:
    """`file:line: severity code message` of every problem the report shows, and how many it does not."""
    shown: dict[str, int] = {}
    for one in report.problems:
        shown[one.code] = shown.get(one.code, 0) + 1
        place = f"{path}:{one.line}" if one.line else str(path)
        yield f"{place}: {one.severity} {one.code} {one.message}" + (f" ({one.pointer})" if one.pointer else "")
    for code, total in report.problem_totals.items():
        if more := total - shown.get(code, 0):
            yield f"{path}: and {more:,} more of {code}"


def leak_lines(path: Path, validation: Path, leak: Leak) -> Iterator[str]:
    """Which examples of the validation file are in the training file too: what they measure was learned by heart."""
    for line, other in leak.lines[:_SHARED_SHOWN]:
        yield f"{validation}:{other}: warning shared_example The same example is line {line} of {path}."
    if leak.examples:
        about = "" if leak.is_exact else "about "
        yield f"{validation}: {about}{leak.examples:,} of its examples are in {path} too"


def summary(path: Path, report: Report, counting: Counting, prices: Sequence[TrainingPrice]) -> ConsoleRenderable:
    """What there is to know of the file, on one screen."""
    parts: list[ConsoleRenderable] = [_verdict(path, report)]
    for counted in report.tokens:
        parts += _tokens(counted, counting)
    if prices:
        parts.append(_prices(prices))
    parts += [Text(f"• {one['message']}") for one in report.as_json().get("advice", [])]
    return Group(*parts)


def _verdict(path: Path, report: Report) -> Text:
    examples = "no examples that can be read" if report.examples is None else _many(report.examples, "example")
    found = f"{_many(report.errors, 'error')}, {_many(report.warnings, 'warning')}"
    mark, style = ("✓", "bold green") if report.is_ready else ("✗", "bold red")
    told = f"{path.name}: {report.format}, {examples} in {_many(report.lines, 'line')}; {found}"
    return Text.assemble("\n", (f"{mark} ", style), told)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _tokens(counted: dict[str, Any], counting: Counting) -> Iterator[ConsoleRenderable]:
    by_notebook = counted.get("notebook")
    source = by_notebook if counting is Counting.NOTEBOOK and by_notebook else counted
    way = "as the notebook counts" if source is by_notebook else "as the chat template counts"
    about = "" if counted["exact"] else ", approximately"
    table = Table("tokens", "total", "min", "p5", "median", "p95", "max", box=None, padding=(0, 2, 0, 0))
    for name, spread in (("an example", source["per_example"]), ("assistant", source["assistant"])):
        if spread:
            figures = (spread[key] for key in ("total", "min", "p5", "median", "p95", "max"))
            table.add_row(name, *(f"{figure:,.0f}" for figure in figures))
    if table.row_count:
        yield Text(f"\n{counted['encoding']}, {way}{about}", style="bold")
        yield table
        yield from _histogram((counted["per_example"] or {}).get("histogram", []))


def _histogram(buckets: Sequence[dict[str, int | None]]) -> Iterator[ConsoleRenderable]:
    """A bar a bucket, from the first that has examples to the last."""
    filled = [place for place, bucket in enumerate(buckets) if bucket["examples"]]
    if not filled:
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    most = max(bucket["examples"] or 0 for bucket in buckets)
    for bucket in buckets[filled[0] : filled[-1] + 1]:
        examples, end = bucket["examples"] or 0, bucket["up_to"]
        table.add_row(f"to {end:,}" if end else "more", _bar(examples / most), f"{examples:,}")
    yield table


def _bar(share: float) -> str:
    whole, eighths = divmod(round(share * _BAR_CELLS * 8), 8)
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")


def _prices(prices: Sequence[TrainingPrice]) -> Table:
    headings = ("\nbase model", "\nepochs", "\nbilled tokens", "\ntruncated", "\nprice")
    table = Table(*headings, box=None, padding=(0, 2, 0, 0))
    for one in prices:
        price = one.unavailable or f"{money.in_cents(one.price or money.ZERO)} {one.currency}"
        table.add_row(one.model, str(one.epochs), f"{one.tokens:,}", f"{one.truncated_examples:,}", price)
    return table
