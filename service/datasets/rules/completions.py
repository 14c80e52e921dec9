"""Prompt/completion pairs (openai.md §3.5): what babbage-002 and davinci-002 were trained on, and all models before.

No model of today learns from them; the catalog says so of each. A file of them is read and counted all the same.
"""

from collections.abc import Iterator
from typing import Any, Final

from service.datasets.rules import formats
from service.datasets.rules.counting import Pieces, Said
from service.datasets.rules.exact import Finding, other_format, unknown_keys, wrong

_KEYS: Final = ("prompt", "completion")


def findings(example: Any) -> Iterator[Finding]:
    """Everything there is to say about one line's JSON value."""
    if not isinstance(example, dict):
        yield Finding("", "not_an_object")
        return
    other = formats.other(example, formats.COMPLETION)
    if other is not None:
        yield other_format(other, formats.COMPLETION)
        return
    yield from unknown_keys("", example, frozenset(_KEYS), "a prompt/completion pair")
    for key in _KEYS:
        if key not in example:
            yield Finding("", "missing_key", {"what": f"'{key}'"})
        elif not isinstance(example[key], str):
            yield wrong(f"/{key}", f"'{key}'", "a string")
        elif key == "completion" and not example[key].strip():
            yield Finding("/completion", "empty_completion")


def pieces_of(example: dict[str, Any]) -> Pieces:
    """The pieces of a pair in which no error was found."""
    return Pieces([Said(key, [example[key]]) for key in _KEYS], framed=False)
