"""Examples of a dataset for a person to look at: some at random, one by its line, or those with a problem.

What is shown of a line is masked; what is said of it is what the report says, found again by the same rules.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from service.datasets import findings, stored
from service.datasets.errors import LineUnknown
from service.datasets.rules import formats, samples, showing
from service.datasets.rules.checker import Partial, Question, read_segment
from service.datasets.rules.lines import Line, Placed, Unreadable, read_json
from service.datasets.rules.problems import Problem, problem
from service.datasets.rules.report import Limit
from service.datasets.rules.showing import Shown
from service.datasets.rules.tally import remarks
from service.datasets.schemas.reading import ExamplePage, ExampleTokens, ExampleView
from service.datasets.schemas.report import ProblemView
from service.datasets.stored import Stored
from service.provider import tokens

EXAMPLES_MAX: Final = 100
_ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024  # of lines; a single longer one is shown all the same
_PROBLEMS_MAX: Final = 1_000  # of a line; one of 16 MiB has room for millions
_OF_WHOLE_FILE: Final = frozenset({"duplicate_example", "near_duplicate"})


def sampled(found: Stored, *, count: int, seed: int, encoding: str | None) -> ExamplePage:
    """So many at random, for a seed always the same. Empty lines are none; where most are, there may be fewer."""
    answer = _Answer(found, encoding)
    numbers = islice(samples.drawn(seed, found.lines), 2 * count)
    while some := list(islice(numbers, count - answer.count)):
        answer.add(some, but_empty=True)
    return answer.page()


def of_line(found: Stored, *, line: int, encoding: str | None) -> ExamplePage:
    """One line. Raises LineUnknown."""
    if not 1 <= line <= found.lines:
        raise LineUnknown(line=line, lines=found.lines, pointer="line")
    answer = _Answer(found, encoding)
    answer.add([line])
    return answer.page()


def with_problem(found: Stored, *, code: str, after: str | None, limit: int, encoding: str | None) -> ExamplePage:
    """Lines that have a problem of this code. Raises CursorUnknown."""
    taken = findings.take(found, findings.on_lines(code), after=after, limit=limit, once_a_line=True)
    answer = _Answer(found, encoding)
    answer.add(one.line for _, one in taken.found if one.line is not None)
    page = answer.page()
    page.has_more, page.last_id = taken.more, str(taken.behind)
    return page


class _Answer:
    """Lines as they are shown, as many as one answer has room for."""

    def __init__(self, found: Stored, encoding: str | None) -> None:
        limits = [Limit(one.encoding, one.limit) for one in found.billing]
        self._found = found
        self._encoding = encoding or (limits[0].encoding if limits else tokens.O200K)
        self._counters = {name: tokens.counter(name) for name in (self._encoding, *(one.encoding for one in limits))}
        self._format = formats.READ.get(found.format)
        self._limits = limits
        self._room = _ANSWER_BYTES_MAX
        self._examples: dict[int, ExampleView] = {}
        self._left_out: list[int] = []

    @property
    def count(self) -> int:
        return len(self._examples) + len(self._left_out)

    def add(self, numbers: Iterable[int], *, but_empty: bool = False) -> None:
        """Show these lines too; once there is no room, say which were left out."""
        wanted = sorted(set(numbers))
        for number, line in stored.lines(self._found, wanted):
            if but_empty and line is not None and not line.strip():
                continue
            self._room -= len(line or b"")
            if self._room < 0 and self._examples:
                self._left_out += [one for one in wanted if one >= number]
                return
            self._examples[number] = self._shown(number, line)

    def page(self) -> ExamplePage:
        """All of them, in the file's order."""
        self._say_what_only_the_file_shows()
        numbers = sorted(self._examples)
        return ExamplePage(
            data=[self._examples[number] for number in numbers],
            has_more=False,
            first_id=str(numbers[0]) if numbers else None,
            last_id=str(numbers[-1]) if numbers else None,
            lines=self._found.lines,
            left_out=sorted(self._left_out),
        )

    def _shown(self, number: int, line: Line) -> ExampleView:
        problems, counted = self._read(number, line)
        example, text = _seen(line)
        return ExampleView(
            line=number,
            example=example.value,
            text=text.value,
            is_shortened=line is None or example.is_shortened or text.is_shortened,
            problems=[ProblemView.of(one) for one in problems[:_PROBLEMS_MAX]],
            tokens=counted,
        )

    def _read(self, number: int, line: Line) -> tuple[list[Problem], ExampleTokens | None]:
        """What the report says of the line; it is not compared with others, and its language does not matter here."""
        if self._format is None:
            return [], None
        problems: list[Problem] = []
        question = Question(self._format, self._limits, errors_max=_PROBLEMS_MAX, deep=False)
        partial = read_segment([Placed(number, 0, line)], question, self._counters, on_problem=problems.append)
        counted = self._tokens(partial)
        if counted is not None and line is not None:
            problems += [problem(number, one.pointer, one.code, **one.facts) for one in remarks(line)]
        return problems, counted

    def _tokens(self, partial: Partial) -> ExampleTokens | None:
        counts = partial.counts.get(self._encoding)
        if counts is None or not counts.tokens.times:
            return None
        return ExampleTokens(
            encoding=self._encoding,
            exact=tokens.is_exact(self._encoding),
            total=counts.tokens.longest,
            assistant=counts.learned.longest,
            by_role=dict(sorted(counts.roles.items())),
            tools=counts.tools,
            images=counts.images,
        )

    def _say_what_only_the_file_shows(self) -> None:
        codes = _OF_WHOLE_FILE & self._found.totals.keys()
        for one in findings.of_whole_file(self._found, codes) if codes else ():
            if one.line in self._examples:
                self._examples[one.line].problems.append(ProblemView.of(one))


def _seen(line: Line) -> tuple[Shown, Shown]:
    """The line as JSON and as text, of which one is nothing."""
    nothing = Shown(None, is_shortened=False)
    if line is None:
        return nothing, nothing
    try:
        return showing.shown(read_json(line)), nothing
    except Unreadable:
        return nothing, showing.shown_line(line)
