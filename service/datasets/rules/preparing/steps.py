"""The steps, in the order they are taken: what each would change, before anybody has agreed to it.

A step is measured by itself, on all rows that have a completion: what is written does not depend on which others are
taken, and places never shift. (The legacy tool's went stale with each removal, openai.md §4.3.) Those for chat are
ours: they take out again what the legacy steps put in.
"""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from service.datasets.rules.preparing.gathering import LONG_CHARACTERS, SEPARATORS, STOPS, Gathered, Places
from service.datasets.rules.preparing.rows import Chosen
from service.datasets.rules.preparing.sources import Source

CHAT: Final = "chat"
NECESSARY: Final = "necessary"
OPTIONAL: Final = "optional"

# § is openai.md §4.2, by its numbers. OURS: see above.
MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "convert": (NECESSARY, "The file becomes JSONL, an example a line."),  # §4.1
    "rename_columns": (NECESSARY, "Columns become prompt and completion."),  # 2
    "drop_columns": (NECESSARY, "All other columns are left out."),  # 3
    "remove_unreadable": (NECESSARY, "Rows that are no object, or whose columns hold no plain value, are left out."),
    "remove_empty": (NECESSARY, "Rows without a completion are left out."),  # 4
    "remove_duplicates": (OPTIONAL, "Rows with the prompt and completion of an earlier one are left out."),  # 6
    "remove_long": (OPTIONAL, "Rows of more than {characters} characters are left out."),  # 7
    "remove_prompt_prefix": (
        OPTIONAL,
        "All prompts begin with the same {characters} characters, which are removed: no instructions are needed.",
    ),  # 10
    "remove_separator": (OPTIONAL, "The mark {text!r} at the end of all prompts is removed: chat needs none."),  # OURS
    "lower_prompt": (OPTIONAL, "Most letters of the prompts are capitals; all become small."),  # 8
    "add_separator": (OPTIONAL, "Prompts have no common end: {text!r} is added, to tell where they stop."),  # 9
    "remove_completion_prefix": (
        OPTIONAL,
        "All completions begin with the same {characters} characters, which are removed but for a leading space.",
    ),  # 11
    "remove_stop": (OPTIONAL, "The mark {text!r} at the end of all completions is removed: chat needs none."),  # OURS
    "trim": (OPTIONAL, "Spaces around completions are removed: chat needs none."),  # OURS
    "lower_completion": (OPTIONAL, "Most letters of the completions are capitals; all become small."),  # 8
    "add_stop": (OPTIONAL, "Completions have no common end: {text!r} is added, to tell where they stop."),  # 12
    "add_space": (OPTIONAL, "A space is put before completions, as tokens mostly begin with one."),  # 13
}
SEPARATOR_LAST: Final = "\n\n### =>\n\n"  # 9, where all others occur in prompts
STOP_LAST: Final = " [END]"  # 12
PROMPT_PREFIX_MIN: Final = 13  # 10: more than 12
COMPLETION_PREFIX_MIN: Final = 5  # 11
# What ends a completion for no other reason: a full stop and a newline may well be the text's own.
_PURE_STOPS: Final = (STOP_LAST, "<|endoftext|>", *(one for one in STOPS if one not in {".", "\n"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: how many rows it changes or leaves out, and where the first of them stand."""

    id: str
    kind: str
    message: str
    rows: int
    first: list[int]
    text: str | None = None  # added or removed; always one of the marks above, never the file's own
    characters: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return asdict(self)


class UnknownStep(Exception):
    """There is no such step to accept."""


def recipe_of(
    findings: dict[str, Any], *, to: str, system_sha256: str | None, accept: Collection[str]
) -> dict[str, Any]:
    """What is to be made, by all necessary and the accepted steps. Equal wishes are written equally.

    Raises UnknownStep with the name.
    """
    known = {step["id"] for step in findings["steps"]}
    for name in accept:
        if name not in known:
            raise UnknownStep(name)
    taken = [step for step in findings["steps"] if step["kind"] == NECESSARY or step["id"] in accept]
    steps = [
        {"id": step["id"]} | {key: step[key] for key in ("text", "characters") if step[key] is not None}
        for step in taken
    ]
    recipe = {
        "kind": "prepare", "to": to, "source": findings["source"]["layout"],
        "columns": {"prompt": findings["columns"]["prompt"], "completion": findings["columns"]["completion"]},
        "steps": steps,
    }  # fmt: skip
    return recipe if system_sha256 is None else recipe | {"system_sha256": system_sha256}


def steps_of(gathered: Gathered, source: Source, chosen: Chosen, to: str) -> list[Step]:
    """Those there is a reason for, in the order of the table."""
    found = [*_necessary(gathered, source, chosen, to), *_of_rows(gathered), *_of_prompts(gathered, to)]
    found += _of_completions(gathered, to)
    order = list(MESSAGES)
    return sorted(found, key=lambda step: order.index(step.id))


def _necessary(gathered: Gathered, source: Source, chosen: Chosen, to: str) -> Iterator[Step]:
    names = [None if number is None else source.columns[number] for number in chosen]
    has_names = names in (["prompt", "completion"], [None, "completion"])
    if not (source.layout.format == "jsonl" and has_names and to != CHAT):
        yield _step("convert", gathered.kept)
    if not has_names:
        yield _step("rename_columns", gathered.kept)
    if len(source.columns) > len([one for one in chosen if one is not None]):
        yield _step("drop_columns", gathered.kept)
    if gathered.unreadable.count:
        yield _step("remove_unreadable", gathered.unreadable)
    if gathered.empty.count:
        yield _step("remove_empty", gathered.empty)


def _of_rows(gathered: Gathered) -> Iterator[Step]:
    duplicates = gathered.duplicates()
    if duplicates.count:
        yield _step("remove_duplicates", duplicates)
    if gathered.long.count and gathered.task != "open_ended":
        yield _step("remove_long", gathered.long, characters=LONG_CHARACTERS)


def _of_prompts(gathered: Gathered, to: str) -> Iterator[Step]:
    prompts = gathered.prompts
    if prompts.is_upper_case:
        yield _step("lower_prompt", prompts.not_lower)
    if gathered.task == "open_ended":
        return
    if len(prompts.prefix) >= PROMPT_PREFIX_MIN:
        yield _step("remove_prompt_prefix", gathered.kept, characters=len(prompts.prefix))
    if to != CHAT and not prompts.suffix:
        yield _step("add_separator", gathered.kept, text=unused_separator(gathered))
    if to == CHAT and (mark := _ending(prompts.suffix, (SEPARATOR_LAST, *SEPARATORS))):
        yield _step("remove_separator", gathered.kept, text=mark)


def _of_completions(gathered: Gathered, to: str) -> Iterator[Step]:
    completions = gathered.completions
    if completions.is_upper_case:
        yield _step("lower_completion", completions.not_lower)
    # Where one is all prefix, nothing of it would be left.
    if COMPLETION_PREFIX_MIN <= len(completions.prefix) < completions.shortest:
        yield _step("remove_completion_prefix", gathered.kept, characters=len(completions.prefix))
    if to == CHAT:
        if mark := _ending(completions.suffix, _PURE_STOPS):
            yield _step("remove_stop", gathered.kept, text=mark)
        if gathered.untrimmed.count:
            yield _step("trim", gathered.untrimmed)
        return
    if not completions.suffix and gathered.task == "conditional":
        yield _step("add_stop", gathered.kept, text=next(iter(completions.unused), STOP_LAST))
    if gathered.without_space.count:
        yield _step("add_space", gathered.without_space)


def unused_separator(gathered: Gathered) -> str:
    """The first that occurs in no prompt; the arrow is for prompts of one line."""
    options = [one for one in gathered.prompts.unused if one != " ->" or not gathered.prompts.has_newline]
    return options[0] if options else SEPARATOR_LAST


def _ending(suffix: str, marks: Collection[str]) -> str | None:
    """The longest of the marks that the suffix ends with."""
    return max((mark for mark in marks if suffix.endswith(mark)), key=len, default=None)


def _step(name: str, places: Places, *, text: str | None = None, characters: int | None = None) -> Step:
    kind, message = MESSAGES[name]
    return Step(
        id=name, kind=kind, message=message.format(text=text, characters=characters),
        rows=places.count, first=places.first, text=text, characters=characters,
    )  # fmt: skip
