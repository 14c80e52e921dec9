"""Bytes into lines, in bounded memory; a line into a JSON value, strictly."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn

from service.datasets.rules.problems import LINE_BYTES_MAX

_BOM: Final = b"\xef\xbb\xbf"  # forgiven at the start of a file (openai.md §3)
Line = bytes | None  # None: longer than LINE_BYTES_MAX, and not kept


def numbered(chunks: Iterable[bytes]) -> Iterator[tuple[int, Line]]:
    """(number from 1, line) of every line, without its newline and without a byte order mark in front of the first."""
    for number, line in enumerate(_split(chunks), 1):
        yield number, line.removeprefix(_BOM) if number == 1 and line else line


def _split(chunks: Iterable[bytes]) -> Iterator[Line]:
    held = bytearray()
    overlong = False
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            overlong = overlong or len(held) + len(piece) > LINE_BYTES_MAX
            yield None if overlong else bytes(held) + piece if held else piece
            held.clear()
            overlong = False
        overlong = overlong or len(held) + len(rest) > LINE_BYTES_MAX
        if overlong:
            held.clear()
        else:
            held += rest
    if overlong or held:
        yield None if overlong else bytes(held)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class Unreadable(Exception):
    """A line that is no JSON in UTF-8: the code of the rule it breaks, and the facts."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


def read_json(line: bytes) -> Any:
    """The line's value. Raises Unreadable; what it says of the line is a place and a reason, never text of it."""
    try:
        # Decoded first: json.loads of bytes lets encoded surrogates pass.
        return _decode(line.decode())
    except UnicodeDecodeError as error:
        raise Unreadable("invalid_utf8", byte=error.start + 1) from None
    except json.JSONDecodeError as error:
        raise Unreadable("invalid_json", reason=f"{error.msg} at column {error.colno}") from None
    except ValueError:  # NaN and Infinity, or an integer of thousands of digits
        raise Unreadable("invalid_json", reason="it has a number that JSON does not have") from None
    except RecursionError:
        raise Unreadable("nested_too_deep") from None


def has_lone_surrogate(line: bytes, value: Any) -> bool:
    """Whether a string in it holds half a character: JSON can escape it, UTF-8 cannot write it. Raises Unreadable."""
    if not _SURROGATE.search(line):
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except RecursionError:
        raise Unreadable("nested_too_deep") from None
    return False
