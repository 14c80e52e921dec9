"""Showing an example to a person: without secrets and personal data, and not at any length."""

import re
from typing import Any, Final, NamedTuple

from service.datasets.rules.texts.facts import facts_of
from service.datasets.rules.texts.masks import mask

STRING_CHARS_MAX: Final = 20_000  # some 5,000 tokens of English
LINE_CHARS_MAX: Final = 2_000  # of a line that cannot be taken apart
_DATA_URL_CHARS_MAX: Final = 100
_DATA_URL: Final = re.compile(r"data:[a-zA-Z0-9/+.-]{0,64}(?:;[a-zA-Z0-9=-]{1,32}){0,4},")
_ESCAPED: Final = re.compile(r"\\u00([2-7][0-9a-fA-F])")
_DIGITS_MIN: Final = 9  # of what may be somebody's number


class Shown(NamedTuple):
    """What may be seen, and whether anything was left out for its length."""

    value: Any
    is_shortened: bool


def shown(value: Any) -> Shown:
    """A JSON value with every secret and all personal data masked, wherever they stand, and long strings cut."""
    if isinstance(value, str):
        return _shown_text(value, STRING_CHARS_MAX)
    if isinstance(value, list):
        return _shown_list(value)
    if isinstance(value, dict):
        return _shown_object(value)
    if isinstance(value, int | float) and len(written := repr(value)) >= _DIGITS_MIN:
        masked = _masked(written)
        return Shown(value if masked == written else masked, is_shortened=False)
    return Shown(value, is_shortened=False)


def shown_line(line: bytes) -> Shown:
    """The beginning of a line that is no JSON, masked like a string."""
    # What is escaped could not be recognised; a letter of ASCII need not be.
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), line.decode(errors="replace"))
    return _shown_text(text, LINE_CHARS_MAX)


def _shown_list(value: list[Any]) -> Shown:
    made: list[Any] = []
    is_shortened = False
    for inner in value:  # one at a time: of a line's millions nothing but the values is held
        item = shown(inner)
        made.append(item.value)
        is_shortened = is_shortened or item.is_shortened
    return Shown(made, is_shortened)


def _shown_object(value: dict[str, Any]) -> Shown:
    made: dict[str, Any] = {}
    is_shortened = False
    for key, inner in value.items():
        name, item = _shown_text(key, STRING_CHARS_MAX), shown(inner)
        is_shortened = is_shortened or name.is_shortened or item.is_shortened
        while name.value in made:  # two keys that are the same without their secrets
            name = Shown(f"{name.value}\u2032", name.is_shortened)
        made[name.value] = item.value
    return Shown(made, is_shortened)


def _shown_text(text: str, chars_max: int) -> Shown:
    data = _DATA_URL.match(text)
    if data and len(text) > _DATA_URL_CHARS_MAX:
        return Shown(_cut(text, data.end()), is_shortened=True)
    masked = _masked(text)
    if len(masked) > chars_max:  # only now: half a secret would not be recognised
        return Shown(_cut(masked, chars_max), is_shortened=True)
    return Shown(masked, is_shortened=False)


def _masked(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a character cannot be sent
    return mask(whole, facts_of(whole).findings)


def _cut(text: str, chars: int) -> str:
    return f"{text[:chars]}\u2026 \u2039{len(text) - chars:,} more characters\u203a"
