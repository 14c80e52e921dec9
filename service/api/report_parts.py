"""Pieces of an HTML page: whatever is put into one is escaped, unless it is a piece itself (MarkupSafe's promise)."""

from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup

from service.datasets import Bucket

Cell = str | int | float | None
NOTHING: Final = Markup()
DASH: Final = "\u2013"


def joined(pieces: Iterable[Markup]) -> Markup:
    """One after the other."""
    return NOTHING.join(pieces)


def section(title: str, *inside: Markup) -> Markup:
    """A part of the page under a heading; nothing where nothing is in it."""
    body = joined(inside)
    return Markup("<section><h2>{}</h2>{}</section>\n").format(title, body) if body else NOTHING


def paragraph(text: str | Markup, *, faint: bool = False) -> Markup:
    """A few sentences."""
    return Markup('<p class="faint">{}</p>').format(text) if faint else Markup("<p>{}</p>").format(text)


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Markup:
    """A table whose first column names the row; numbers stand to the right. It scrolls where it is too wide."""
    listed = [tuple(row) for row in rows]
    are_numbers = [
        any(isinstance(row[place], int | float) for row in listed)
        and not any(isinstance(row[place], str) for row in listed)
        for place in range(len(headings))
    ]
    heads = joined(
        Markup('<th scope="col"{}>{}</th>').format(_class(number), heading)
        for heading, number in zip(headings, are_numbers, strict=True)
    )
    body = joined(
        Markup("<tr>{}</tr>").format(joined(_cell(cell, place, are_numbers[place]) for place, cell in enumerate(row)))
        for row in listed
    )
    return Markup(
        '<div class="wide" role="region" tabindex="0" aria-label="{0}"><table><caption>{0}</caption>'
        "<thead><tr>{1}</tr></thead><tbody>{2}</tbody></table></div>\n"
    ).format(caption, heads, body)


def _class(is_number: bool) -> Markup:  # noqa: FBT001 - one of two columns
    return Markup(' class="number"') if is_number else NOTHING


def _cell(cell: Cell, place: int, is_number: bool) -> Markup:  # noqa: FBT001
    shown = cell if isinstance(cell, Markup) else number(cell)
    if place == 0:
        return Markup('<th scope="row">{}</th>').format(shown)
    return Markup("<td{}>{}</td>").format(_class(is_number), shown)


def number(value: Cell) -> str:
    """As people write it; a dash for what is not known."""
    if value is None:
        return DASH
    if isinstance(value, float):
        return f"{value:,.1f}".removesuffix(".0")
    return f"{value:,}" if isinstance(value, int) else value


def percent(share: float) -> str:
    """A share of one; never rounded to all or nothing."""
    return f"{100 * share:.1f} %" if 0 < share < 1 else f"{100 * share:.0f} %"


def histogram(caption: str, buckets: Sequence[Bucket], limit: int | None) -> Markup:
    """A bar for each bucket from the first to the last that has examples; those beyond `limit` stand out."""
    filled = [place for place, bucket in enumerate(buckets) if bucket.examples]
    if not filled:
        return NOTHING
    most = max(bucket.examples for bucket in buckets)
    shown = range(filled[0], filled[-1] + 1)
    rows = [
        (_up_to(buckets, place), _bar(buckets[place].examples / most, _is_over(buckets, place, limit)),
         buckets[place].examples)
        for place in shown
    ]  # fmt: skip
    note = f"; orange is beyond {limit:,}" if limit and any(_is_over(buckets, place, limit) for place in shown) else ""
    bars = table(caption + note, ("tokens", "", "examples"), rows)
    return Markup('<figure class="bars">{}</figure>').format(bars)


def _up_to(buckets: Sequence[Bucket], place: int) -> str:
    begin = (buckets[place - 1].up_to or 0) + 1 if place else 0
    end = buckets[place].up_to
    return f"{begin:,}{DASH}{end:,}" if end is not None else f"{begin:,} and more"


def _is_over(buckets: Sequence[Bucket], place: int, limit: int | None) -> bool:
    begin = (buckets[place - 1].up_to or 0) + 1 if place else 0
    return limit is not None and begin > limit


def _bar(share: float, is_over: bool) -> Markup:  # noqa: FBT001
    width = max(1.0, round(100 * share, 1)) if share else 0
    return Markup(
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="{}" width="{}" height="10"/></svg>'
    ).format("over" if is_over else "bar", width)
