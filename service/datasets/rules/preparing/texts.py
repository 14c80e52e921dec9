"""Bytes into text, in bounded memory: UTF-8 with or without its mark, UTF-16 with it; all newlines alike."""

import codecs
import io
from collections.abc import Callable, Iterable, Iterator

from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.problems import LINE_BYTES_MAX

Read = Callable[[], Iterable[bytes]]
"""Opens the file's bytes anew."""


def pieces(chunks: Iterable[bytes]) -> Iterator[str]:
    """The text as it comes. Raises CannotBePrepared."""
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    decoder: codecs.IncrementalDecoder | None = None
    beginning, fed = b"", 0
    for chunk in chunks:
        if decoder is None:
            beginning += chunk
            if len(beginning) < len(codecs.BOM_UTF16_LE):
                continue
            decoder, chunk = _decoder_of(beginning), beginning  # noqa: PLW2901
        yield newlines.decode(_decoded(decoder, chunk, fed))
        fed += len(chunk)
    last = _decoded(decoder, b"", fed, final=True) if decoder else _decoded(_decoder_of(b""), beginning, 0, final=True)
    yield newlines.decode(last, final=True)


def _decoder_of(beginning: bytes) -> codecs.IncrementalDecoder:
    is_utf16 = beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return codecs.getincrementaldecoder("utf-16" if is_utf16 else "utf-8-sig")()


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, fed: int, *, final: bool = False) -> str:
    held = decoder.getstate()[0]
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        raise CannotBePrepared("invalid_utf8", byte=fed - len(held) + error.start + 1) from None


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Every line with its newline; the last may have none. Raises CannotBePrepared."""
    held: list[str] = []
    size, number = 0, 1
    for piece in pieces(chunks):
        *whole, rest = piece.split("\n")
        for line in whole:
            if size + len(line) > LINE_BYTES_MAX:
                raise _too_long(number)
            yield f"{''.join(held)}{line}\n" if held else line + "\n"
            held.clear()
            size = 0
            number += 1
        if rest:
            held.append(rest)
            size += len(rest)
        if size > LINE_BYTES_MAX:
            raise _too_long(number)
    if held:
        yield "".join(held)


def _too_long(number: int) -> CannotBePrepared:
    limit = f"it is longer than {LINE_BYTES_MAX // 1024**2} MiB"
    return CannotBePrepared("row_unreadable", unit="line", place=number, reason=limit)


def head(read: Read, *, size: int) -> bytes:
    """The file's first bytes."""
    found = bytearray()
    for chunk in read():
        found += chunk
        if len(found) >= size:
            break
    return bytes(found[:size])
