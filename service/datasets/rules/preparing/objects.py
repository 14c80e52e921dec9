"""JSON: a list of flat objects, or an object a line."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, NoReturn

from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.preparing.rows import Chosen, Layout, Row
from service.datasets.rules.preparing.texts import Read, lines, pieces
from service.datasets.rules.problems import LINE_BYTES_MAX

_NAMES_FROM: Final = 100  # objects whose keys are the columns, in the order they are met
_SPACES: Final = re.compile(r"[ \t\n\r]*")


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


# A number stays as it is written: 1.10 is a version as often as a fraction.
_decoder: Final = json.JSONDecoder(parse_constant=_refuse, parse_int=str, parse_float=str)


def header(read: Read, how: Layout) -> tuple[str, ...]:
    """The keys of the first objects. Raises CannotBePrepared."""
    names: dict[str, None] = {}
    for _, value in islice(_values(read, how), _NAMES_FROM):
        if isinstance(value, dict):
            names.update(dict.fromkeys(value))
    return tuple(names)


def rows(read: Read, how: Layout, names: Sequence[str], chosen: Chosen) -> Iterator[Row]:
    """Prompt and completion of each object. Raises CannotBePrepared where a list is broken."""
    prompt_key = None if chosen.prompt is None else names[chosen.prompt]
    completion_key = names[chosen.completion]
    for place, value in _values(read, how):
        if not isinstance(value, dict):
            yield Row(place, "", None)
            continue
        prompt = "" if prompt_key is None else _text(value.get(prompt_key))
        yield Row(place, prompt or "", None if prompt is None else _text(value.get(completion_key)))


def _text(value: object) -> str | None:
    """None is for what is no text, number or truth value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def _values(read: Read, how: Layout) -> Iterator[tuple[int, Any]]:
    return _items(read) if how.format == "json" else _of_lines(read)


def _of_lines(read: Read) -> Iterator[tuple[int, Any]]:
    """The value in each line; none where it is no JSON."""
    for place, line in enumerate(lines(read()), 1):
        if line.strip():
            try:
                yield place, _decoder.decode(line)
            except (ValueError, RecursionError):
                yield place, None


def _items(read: Read) -> Iterator[tuple[int, Any]]:
    """The items of one list, decoded as they come; only what is left of an item that has begun is held."""
    held, at, number = "", 0, 0
    is_open = False
    for piece in pieces(read()):
        held, at = held[at:] + piece, 0
        while (at := _after_spaces(held, at)) < len(held):
            if not is_open:
                is_open, at = True, at + 1  # the bracket by which the file was told to be a list
                continue
            if held[at] == "]":
                return
            start = _after_spaces(held, at + 1) if number and held[at] == "," else at
            found = _item(held, start)
            if found is None:
                if len(held) - at > LINE_BYTES_MAX:
                    raise _broken(number + 1)
                break  # it may go on in the next piece
            value, at = found
            number += 1
            yield number, value
    raise _broken(number + 1)


def _after_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at


def _item(held: str, start: int) -> tuple[Any, int] | None:
    """The item that begins there, and where it ends; none where it is broken or not all there."""
    if start == len(held):
        return None
    try:
        value, end = _decoder.raw_decode(held, start)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) or end < len(held) else None  # a number may go on


def _broken(number: int) -> CannotBePrepared:
    return CannotBePrepared("row_unreadable", unit="item", place=number, reason="it is not valid JSON")
