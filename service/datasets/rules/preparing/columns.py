"""Which columns are prompt and completion: as somebody says, else as their names tell, else as two of them lie."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.preparing.rows import Chosen
from service.datasets.rules.problems import label

# Each the first that is there; the legacy tool knew only the first of both (openai.md §4.2, 2).
_PROMPTS: Final = (
    "prompt", "question", "instruction", "input", "query", "text", "tweet", "sentence", "message", "utterance",
    "review", "comment", "content", "body", "document",
)  # fmt: skip
_COMPLETIONS: Final = (
    "completion", "answer", "output", "response", "reply", "label", "category", "class", "target", "intent",
    "sentiment", "topic", "summary", "translation",
)  # fmt: skip


_PAIR: Final = 2


class Columns(NamedTuple):
    """What somebody wishes: a name, or a number from 1; none is to be told from the file."""

    prompt: str | int | None = None
    completion: str | int | None = None


def choose(names: Sequence[str], wish: Columns) -> tuple[Chosen, bool]:
    """The columns, and whether they were guessed. Raises CannotBePrepared."""
    if wish.completion is not None:
        prompt = None if wish.prompt is None else _number(names, wish.prompt)
        chosen, guessed = Chosen(prompt, _number(names, wish.completion)), False
    else:
        prompt = None if wish.prompt is None else _number(names, wish.prompt)
        chosen, guessed = _guess(names, prompt), True
    if chosen.prompt == chosen.completion:
        raise CannotBePrepared("column_twice")
    return chosen, guessed


def _number(names: Sequence[str], wanted: str | int) -> int:
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(names):
            raise CannotBePrepared("column_unknown", column=wanted)
        return wanted - 1
    alike = [number for number, name in enumerate(names) if _plain(name) == _plain(wanted)]
    if wanted in names:
        return names.index(wanted)
    if not alike:
        raise CannotBePrepared("column_unknown", column=label(wanted))
    return alike[0]


def _guess(names: Sequence[str], prompt: int | None) -> Chosen:
    if len(names) == 1 and prompt is None and _plain(names[0]) in _COMPLETIONS:
        return Chosen(None, 0)
    found_prompt = _first(names, _PROMPTS) if prompt is None else prompt
    completion = _first(names, _COMPLETIONS)
    if len(names) == _PAIR:
        if completion is None:
            completion = 1 if found_prompt is None else 1 - found_prompt
        return Chosen(1 - completion if found_prompt is None else found_prompt, completion)
    if found_prompt is None or completion is None:
        raise CannotBePrepared("columns_unclear")
    return Chosen(found_prompt, completion)


def _first(names: Sequence[str], known: Sequence[str]) -> int | None:
    plain = [_plain(name) for name in names]
    return next((plain.index(one) for one in known if one in plain), None)


def _plain(name: str) -> str:
    return name.strip().casefold()


def resembling(names: Sequence[str], chosen: Chosen) -> list[int]:
    """Columns left out whose names resemble a needed one, from 0: perhaps duplicates (openai.md §4.2, 3)."""
    left_out = [number for number in range(len(names)) if number not in chosen]
    return [number for number in left_out if any(one in _plain(names[number]) for one in ("prompt", "completion"))]
