"""Bytes into lines, in bounded memory; a line into a JSON value, strictly.

A file may be read in segments. A segment owns the lines that start in it, wherever they end: so every line has one
owner, and segments can be read by themselves and in any order.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, NoReturn

from service.datasets.rules.problems import DEPTH_MAX, LINE_BYTES_MAX, label

_BOM: Final = b"\xef\xbb\xbf"  # forgiven at the start of a file (openai.md §3)
Line = bytes | None  # None: longer than LINE_BYTES_MAX, and not kept


class Placed(NamedTuple):
    """A line of a segment: its number from 1 and the byte at which it starts, both counted in the segment."""

    number: int
    start: int
    line: Line


def numbered(chunks: Iterable[bytes]) -> Iterator[tuple[int, Line]]:
    """(number from 1, line) of every line, without its newline and without a byte order mark in front of the first."""
    for placed in segment_lines(chunks, first=True):
        yield placed.number, placed.line


def segment_lines(chunks: Iterable[bytes], *, first: bool, size: int | None = None) -> Iterator[Placed]:
    """The lines that start in the first `size` bytes of a segment; in all of them where that is None.

    `chunks` begin with the segment if it is the `first`, else one byte before it, which shows whether a line starts
    with it; they may go on beyond it. Reads no further than the last line's end, nor than the end of the chunk in
    which it becomes too long.
    """
    lines = _split(chunks, 0 if first else -1, size)
    if not first:
        next(lines, None)  # begun before, and so another's
    for number, (start, line) in enumerate(lines, 1):
        yield Placed(number, start, line.removeprefix(_BOM) if first and number == 1 and line else line)


def _split(chunks: Iterable[bytes], start: int, size: int | None) -> Iterator[tuple[int, Line]]:
    """(start, line) of each, where the first chunk stands at `start`; none that starts at `size` or later."""
    held = bytearray()
    overlong = False
    at = start
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            overlong = overlong or len(held) + len(piece) > LINE_BYTES_MAX
            yield start, None if overlong else bytes(held) + piece if held else piece
            at += len(piece) + 1
            start, overlong = at, False
            held.clear()
            if size is not None and start >= size:
                return
        at += len(rest)
        overlong = overlong or len(held) + len(rest) > LINE_BYTES_MAX
        if not overlong:
            held += rest
            continue
        held.clear()
        if size is not None and at >= size:
            break
    if overlong or held:
        yield start, None if overlong else bytes(held)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


class _Twice(ValueError):
    """An object has a key twice: which one counts depends on who reads it."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Twice(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return made


_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object).decode
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class Unreadable(Exception):
    """A line that is no JSON in UTF-8: the code of the rule it breaks, and the facts."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


def read_json(line: bytes) -> Any:
    """The line's value. Raises Unreadable; what it says of the line is a place and a reason, never text of it."""
    if line.startswith(_BOM):
        raise Unreadable("byte_order_mark")
    try:
        # Decoded first: json.loads of bytes lets encoded surrogates pass.
        value = _decode(line.decode())
    except UnicodeDecodeError as error:
        raise Unreadable("invalid_utf8", byte=error.start + 1) from None
    except json.JSONDecodeError as error:
        raise Unreadable("invalid_json", reason=f"{error.msg} at column {error.colno}") from None
    except _Twice as twice:
        raise Unreadable("duplicate_key", key=label(*twice.args)) from None
    except ValueError:  # NaN and Infinity, or an integer of thousands of digits
        raise Unreadable("invalid_json", reason="it has a number that JSON does not have") from None
    except RecursionError:
        raise Unreadable("nested_too_deep", depth=DEPTH_MAX) from None
    if line.count(b"{") + line.count(b"[") > DEPTH_MAX and _is_deeper(value, DEPTH_MAX):
        raise Unreadable("nested_too_deep", depth=DEPTH_MAX)
    return value


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and objects lie in each other more than so deep."""
    layer = [value]
    for _ in range(depth):
        layer = [inner for outer in layer for inner in _inside(outer) if isinstance(inner, dict | list)]
    return bool(layer)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def has_lone_surrogate(line: bytes, value: Any) -> bool:
    """Whether a string in it holds half a character: JSON can escape it, UTF-8 cannot write it."""
    if not _SURROGATE.search(line):
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
