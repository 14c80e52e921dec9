"""The first pass: what there is, what each step would change, and what the legacy tool would advise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from service.datasets.rules.preparing import columns, sources
from service.datasets.rules.preparing.columns import Columns
from service.datasets.rules.preparing.gathering import SEPARATORS, STOPS, Gathered, Places, is_empty
from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.preparing.rows import Chosen, Row
from service.datasets.rules.preparing.sources import Source
from service.datasets.rules.preparing.steps import CHAT, SEPARATOR_LAST, STOP_LAST, Step, steps_of
from service.datasets.rules.preparing.texts import Read
from service.datasets.rules.problems import label
from service.datasets.rules.texts.facts import facts_of

_FEW: Final = 100  # openai.md §4.2, 1
_SEPARATOR_LONG: Final = 10  # §4.2, 9
_NAME_LENGTH_MAX: Final = 64
_MARK_LENGTH_MAX: Final = 20


class Wish(NamedTuple):
    """What a file is to be prepared for; what is left out is to be told from the file."""

    to: str = CHAT
    columns: Columns = Columns()
    sheet: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What examining a file found."""

    source: Source
    chosen: Chosen
    is_guessed: bool
    rows: int
    examples: int  # rows that have a completion
    steps: list[Step]
    notes: list[dict[str, Any]]
    advice: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown: of the file's text only the names of columns and sheets."""
        layout = self.source.layout
        prompt, completion = self.chosen
        return {
            "source": {
                "layout": layout._asdict(),
                "unit": layout.unit,
                "sheets": [_name(one) for one in self.source.sheets],
                "columns": [_name(one) for one in self.source.columns],
            },
            "columns": {
                "prompt": None if prompt is None else prompt + 1, "completion": completion + 1,
                "guessed": self.is_guessed,
            },
            "rows": self.rows,
            "examples": self.examples,
            "steps": [step.as_json() for step in self.steps],
            "notes": self.notes,
            "advice": self.advice,
        }  # fmt: skip


def _name(text: str) -> str | None:
    """A column's or sheet's name; what is longer or confidential is none, but a first row that is no header."""
    is_name = len(text) <= _NAME_LENGTH_MAX and text.isprintable() and not facts_of(text).findings
    return text if is_name else None


def examine(read: Read, filename: str, wish: Wish) -> Findings:
    """Read the whole file once, and once more where prompts already have an end. Raises CannotBePrepared."""
    source = sources.open_source(read, filename, wish.sheet)
    if source.layout.format == "txt":
        chosen, is_guessed = Chosen(None, 0), False
    else:
        chosen, is_guessed = columns.choose(source.columns, wish.columns)
    gathered = Gathered(sources.rows(read, source, chosen))
    _check(gathered)
    return Findings(
        source=source,
        chosen=chosen,
        is_guessed=is_guessed,
        rows=gathered.rows,
        examples=gathered.kept.count,
        steps=(steps := steps_of(gathered, source, chosen, wish.to)),
        notes=[*_notes(read, gathered, source, chosen, wish.to)],
        advice=_advice(gathered, steps, wish.to),
    )


def _check(gathered: Gathered) -> None:
    if not gathered.kept.count:
        raise CannotBePrepared("no_rows")
    if gathered.task != "open_ended" and gathered.prompts.are_identical:
        raise CannotBePrepared("prompts_identical")
    if gathered.task == "conditional" and gathered.completions.are_identical:
        raise CannotBePrepared("completions_identical")


def _notes(read: Read, gathered: Gathered, source: Source, chosen: Chosen, to: str) -> Iterator[dict[str, Any]]:
    """What to know that no step changes."""
    examples, suffix = gathered.kept.count, gathered.prompts.suffix
    if examples < _FEW:
        advised = "a few hundred are advised, and each doubling helps about as much as the one before"
        yield _note("few_examples", f"There are {examples} examples; {advised}.")
    if len(source.sheets) > 1:
        yield _note("sheets", f"The workbook has {len(source.sheets)} sheets; number {source.layout.sheet} is read.")
    for number in columns.resembling(source.columns, chosen):
        yield _note("column_resembles", f"Column {number + 1} is left out, but its name is like a needed one's.")
    if to == CHAT or gathered.task == "open_ended" or not suffix:
        return
    if len(suffix) > _SEPARATOR_LONG:
        yield _note("separator_long", f"All prompts end with the same {len(suffix)} characters, which is long.")
    again = _repeating(sources.rows(read, source, chosen), suffix)
    if again.count:
        said = f"The end that all prompts have occurs earlier, too, in {again.count} of them: a unique one is better."
        yield _note("separator_repeated", said, again)


def _repeating(rows: Iterator[Row], suffix: str) -> Places:
    found = Places()
    for row in rows:
        if row.completion is not None and not is_empty(row.completion) and suffix in row.prompt[: -len(suffix)]:
            found.add(row.place)
    return found


def _note(code: str, message: str, places: Places | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "first": places.first if places else []}


def _advice(gathered: Gathered, steps: list[Step], to: str) -> dict[str, Any]:
    """What to do with the dataset that is made, and how to ask the model that is tuned (§4.3)."""
    examples, classes = gathered.kept.count, None
    positive = validation = None
    if gathered.task == "classification":
        classes = gathered.distinct
        validation = min(1000, examples - int(0.8 * examples))  # §4.3: n_train = max(n - 1000, int(0.8 n))
        if classes == 2 and gathered.classes:  # noqa: PLR2004 - the class whose share is measured
            positive = gathered.classes.most_common(1)[0][0].strip()
    added = {step.id: step.text for step in steps}
    return {
        "task": gathered.task,
        "classes": classes,
        # A class may be any text of the file: shown is only what is a plain label.
        "positive_class": positive if positive is not None and label(positive) != label(None) else None,
        "validation_count": validation,
        "separator": None if to == CHAT else _mark(gathered.prompts.suffix, added, "add_separator"),
        "stop": None if to == CHAT else _mark(gathered.completions.suffix, added, "add_stop"),
    }


def _mark(suffix: str, added: dict[str, str | None], step: str) -> dict[str, Any] | None:
    """How the texts end, as they are or with the step that adds it; the text itself only if it is no words."""
    if not suffix:
        return {"text": added[step], "characters": len(added[step] or ""), "step": step} if step in added else None
    is_known = suffix in {*SEPARATORS, *STOPS, SEPARATOR_LAST, STOP_LAST, "<|endoftext|>"}
    is_plain = len(suffix) <= _MARK_LENGTH_MAX and not any(character.isalnum() for character in suffix)
    return {"text": suffix if is_known or is_plain else None, "characters": len(suffix), "step": None}
