"""The report on a dataset as a page a person would rather look at: one file, no script, nothing fetched from anywhere.

`datasets check --html` writes the same page. All that comes from outside is escaped where it is put in (`parts`).
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from markupsafe import Markup

from service.api import report_parts as parts
from service.api.report_parts import NOTHING, joined, number, paragraph, percent, section, table
from service.datasets import (
    Counting,
    ProblemView,
    ReportView,
    Severity,
    Spread,
    TokenStatistics,
    TrainingPrice,
    consequence,
    explain,
)
from service.kit import money

_STYLE: Final = Path(__file__).with_name("report_page.css").read_text()
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
CONTENT_SECURITY_POLICY: Final = f"{_POLICY}; frame-ancestors 'none'"
_LINES_SHOWN: Final = 12
_LABELS_SHOWN: Final = 20

_PAGE: Final = Markup("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="robots" content="noindex">
<title>{name}: report</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
""")


def page(report: ReportView, *, name: str, file: str, checked_at: datetime | None) -> str:
    """The whole page. Links lead to the API, beside which it is served; a report without a `dataset` has none."""
    body = joined(
        [
            _head(report, name, file, checked_at),
            _verdict(report),
            _figures(report),
            section("What to mend", *_problems(report)),
            section("What training costs", *_prices(report)),
            section("Tokens", *_tokens(report)),
            section("Examples that come again", *_repeats(report)),
            section("Answers", *_answers(report)),
            section("System prompts", *_prompts(report)),
            section("Languages", *_languages(report)),
            section("Advice", *_advice(report)),
        ]
    )
    made = _PAGE.format(policy=_POLICY, name=name, style=Markup(_STYLE), body=body)  # noqa: S704 - our own style sheet
    return str(made)


def _head(report: ReportView, name: str, file: str, checked_at: datetime | None) -> Markup:
    about = [file] if file != name else []
    about += [report.dataset] if report.dataset else []
    about += [f"checked {checked_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"] if checked_at else []
    return Markup('<header><h1>{}</h1><p class="faint">{}</p></header>').format(name, " \u00b7 ".join(about))


def _verdict(report: ReportView) -> Markup:
    if report.errors:
        told = f"{_many(report.errors, 'error')} must be mended before anything can be trained on it."
        return Markup('<div class="verdict bad"><strong>\u2717 Not ready.</strong> {}</div>').format(told)
    told = f"{_many(report.warnings, 'warning')} to look at." if report.warnings else "Nothing was found to mend."
    return Markup('<div class="verdict good"><strong>\u2713 Ready to train on.</strong> {}</div>').format(told)


def _figures(report: ReportView) -> Markup:
    first = report.tokens[0].per_example if report.tokens else None
    figures = [
        ("Format", report.format.replace("_", " ")),
        ("Examples", number(report.examples)),
        ("Lines", number(report.lines)),
        ("Errors", number(report.errors)),
        ("Warnings", number(report.warnings)),
        ("Tokens", number(first.total if first else None)),
        ("Default epochs", number(report.default_epochs)),
        ("Messages an example", number(report.messages.mean if report.messages else None)),
    ]
    shown = joined(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*figure) for figure in figures)
    return Markup('<dl class="figures">{}</dl>').format(shown)


# ------------------------------------------------------------------------------------------------------------ problems
def _problems(report: ReportView) -> Iterator[Markup]:
    """One block a code: errors first, then by how often."""
    found: dict[str, list[ProblemView]] = defaultdict(list)
    for one in report.problems:
        found[one.code].append(one)
    order = sorted(found, key=lambda code: (found[code][0].severity is Severity.WARNING, -report.problem_totals[code]))
    for code in order:
        yield _problem(report, found[code], report.problem_totals[code])


def _problem(report: ReportView, found: Sequence[ProblemView], total: int) -> Markup:
    first, code = found[0], found[0].code
    return Markup(
        '<div class="problem"><div class="head"><span class="badge {0}">{0}</span><h3><code>{1}</code></h3>'
        '<span class="faint">{2}</span></div><p>{3}{4}</p><p><strong>If it stays:</strong> {5}</p>'
        "<p><strong>To mend it:</strong> {6}</p>{7}</div>\n"
    ).format(
        first.severity.value, code, _many(total, "time"), first.message, _where(first),
        consequence(code), explain(code).mend, _places(report, found, total),
    )  # fmt: skip


def _where(one: ProblemView) -> Markup:
    if not one.pointer:
        return NOTHING
    return Markup(' <span class="faint">(line {}, <code>{}</code>)</span>').format(number(one.line), one.pointer)


def _places(report: ReportView, found: Sequence[ProblemView], total: int) -> Markup:
    """Links to the first lines, and to all of them."""
    lines = list(dict.fromkeys(one.line for one in found if one.line is not None))
    if not lines:
        return NOTHING
    shown = [_line(report, line) for line in lines[:_LINES_SHOWN]]
    if report.dataset and total > len(shown):
        about = Markup('<a href="/v1/datasets/{}/{}?{}code={}">{}</a>').format
        code = found[0].code
        shown.append(about(report.dataset, "examples", "", code, "their examples"))
        shown.append(about(report.dataset, "problems", Markup("format=csv&amp;"), code, "all as CSV"))
    elif total > len(shown):
        shown.append(Markup("\u2026"))
    return Markup('<ul class="lines">{}</ul>').format(joined(Markup("<li>{}</li>").format(one) for one in shown))


def _line(report: ReportView, line: int) -> Markup:
    if not report.dataset:
        return Markup("line {}").format(number(line))
    return Markup('<a href="/v1/datasets/{}/examples?line={}">line {}</a>').format(report.dataset, line, number(line))


# --------------------------------------------------------------------------------------------------- tokens and prices
def _prices(report: ReportView) -> Iterator[Markup]:
    if not report.prices:
        return
    way = "OpenAI's notebook" if report.counting is Counting.NOTEBOOK else "the chat template, as the provider bills"
    headings = ("base model", "price", "epochs", "billed tokens", "cut examples", "lost tokens an epoch")
    yield table(
        f"With the default number of epochs, at today's prices; counted by {way}", headings, map(_row, report.prices)
    )
    notes = [one for one in report.prices if one.rough_because or one.unavailable]
    items = joined(
        Markup("<li><strong>{}</strong>: {}</li>").format(one.model, one.rough_because or one.unavailable)
        for one in notes
    )
    if notes:
        yield Markup('<ul class="plain">{}</ul>').format(items)


def _row(one: TrainingPrice) -> tuple[parts.Cell, ...]:
    about = "about " if one.rough else ""
    price = parts.DASH if one.price is None else f"{about}{money.in_cents(one.price)} {one.currency}"
    return one.model, Markup.escape(price), one.epochs, one.tokens, one.truncated_examples, one.lost_tokens


def _tokens(report: ReportView) -> Iterator[Markup]:
    limit = min((one.example_tokens_max for one in report.prices), default=None)
    for counted in report.tokens:
        if counted.per_example is None:
            continue
        about = "" if counted.exact else ", approximately"
        headings = ("", "total", "least", "5 %", "median", "95 %", "most", "mean")
        yield table(f"Tokens an example in {counted.encoding}{about}", headings, _spreads(counted))
        roles = [
            (role, tokens, percent(tokens / (counted.per_example.total or 1)))
            for role, tokens in counted.by_role.items()
        ]
        if roles:
            yield table("By who speaks", ("role", "tokens", "share"), roles)
        if counted.estimated and (counted.estimated.tools or counted.estimated.images):
            told = (
                f"{counted.estimated.tools:,} tokens of tools and {counted.estimated.images:,} of images are estimates."
            )
            yield paragraph(told, faint=True)
        yield parts.histogram("How long examples are", counted.per_example.histogram, limit)


def _spreads(counted: TokenStatistics) -> Iterator[tuple[parts.Cell, ...]]:
    rows: list[tuple[str, Spread | None]] = [("an example", counted.per_example), ("its answers", counted.assistant)]
    if counted.notebook is not None:
        rows.append(("by OpenAI's notebook", counted.notebook.per_example))
    for name, spread in rows:
        if spread is not None:
            yield name, spread.total, spread.min, spread.p5, spread.median, spread.p95, spread.max, spread.mean


# ------------------------------------------------------------------------------------------------- what the texts show
def _repeats(report: ReportView) -> Iterator[Markup]:
    if report.duplicates is not None:
        sample = (
            ""
            if report.duplicates.compared_share == 1
            else f", found in {percent(report.duplicates.compared_share)} of them"
        )
        yield paragraph(f"{_many(report.duplicates.examples, 'example')} the same as an earlier one{sample}.")
    if report.near_duplicates is not None:
        near = report.near_duplicates
        looked_at = f"{_many(near.verified, 'pair')} that looked alike were read again"
        yield paragraph(f"{_many(near.found, 'example')} nearly the same as an earlier one; {looked_at}.")
    if report.leakage is not None:
        yield from _leakage(report)


def _leakage(report: ReportView) -> Iterator[Markup]:
    leak = report.leakage
    if leak is None:
        return
    if leak.unavailable is not None:
        yield paragraph(f"Compared with {leak.validation}: {leak.unavailable}")
        return
    about = "" if leak.exact else "About "
    yield paragraph(
        f"{about}{_many(leak.examples or 0, 'example')} also in {leak.validation}, on which they measure nothing."
    )
    if leak.lines:
        rows = [(_line(report, one.line), one.validation_line) for one in leak.lines]
        yield table("The first of them", ("here", "there, in line"), rows)


def _answers(report: ReportView) -> Iterator[Markup]:
    answers = report.answers
    if answers is None or not answers.answers:
        return
    yield paragraph(
        f"{_many(answers.refusals, 'answer')} of {answers.answers:,} refuse ({percent(answers.refusal_share)})."
    )
    if answers.labels:
        rows = [
            (one.label or "not shown", one.examples, percent(one.examples / answers.answers), _line(report, one.line))
            for one in answers.labels[:_LABELS_SHOWN]
        ]
        yield table("Answers look like labels", ("label", "examples", "share", "first in"), rows)


def _prompts(report: ReportView) -> Iterator[Markup]:
    prompts = report.system_prompts
    if prompts is None or not (prompts.prompts or prompts.without):
        return
    many = "more than a thousand" if prompts.distinct is None else f"{prompts.distinct:,}"
    yield paragraph(f"{many} different; {_many(prompts.without, 'example')} without one.")
    if prompts.prompts:
        rows = [(_line(report, one.line), one.examples) for one in prompts.prompts]
        yield table("The most frequent, by where each stands first", ("first in", "examples"), rows)


def _languages(report: ReportView) -> Iterator[Markup]:
    found = report.languages
    if found is not None and found.shares:
        rows = [(language, percent(share)) for language, share in found.shares.items()]
        yield table(f"Of {_many(found.sample, 'text')} looked at", ("language", "share"), rows)


def _advice(report: ReportView) -> Iterator[Markup]:
    if report.advice:
        items = joined(Markup("<li>{}</li>").format(one.message) for one in report.advice)
        yield Markup('<ul class="plain">{}</ul>').format(items)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
