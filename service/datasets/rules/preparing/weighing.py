"""How much a workbook is, before anything reads it as a whole.

An XLSX is a ZIP archive of XML. Its reader keeps the rectangle from the first cell to the last, and each cell its own
copy of a text that is stored once: so a small archive can be a large table in three ways. Everything is unpacked and
parsed here once without being kept, because what an archive says about itself may be a lie.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from service.datasets.rules.preparing.refusals import CannotBePrepared

UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024
TEXT_MAX: Final = 128 * 1024 * 1024  # characters in all cells together
CELLS_MAX: Final = 4_000_000  # in the rectangle of a sheet; the reader takes 32 bytes each
_STEP_BYTES: Final = 1024 * 1024
_DIGITS_MAX: Final = 9
_TEXTS: Final = "xl/sharedstrings.xml"


def unreadable(reason: str) -> CannotBePrepared:
    """Of a workbook."""
    return CannotBePrepared("workbook_unreadable", reason=reason)


def weigh(packed: bytes) -> None:
    """Raises CannotBePrepared for what is too large, damaged or no XLSX."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise unreadable("it is a damaged archive") from None
    if not any(one.filename == "xl/workbook.xml" for one in entries):
        raise unreadable("it is another kind of archive than XLSX")
    scale = _Scale()
    for entry in sorted(entries, key=lambda one: one.filename.lower() != _TEXTS):
        scale.begin()
        for piece in _unpacked(packed, entry):
            scale.add(piece)
        scale.end()


class _Scale:
    """What all entries weigh together, and each sheet by itself."""

    def __init__(self) -> None:
        self._unpacked = self._text = 0
        self._shared: list[int] = []  # length of each text that is stored once
        self._is_shared_cell = False
        self._characters = 0

    def begin(self) -> None:
        """Another entry."""
        self._parser: expat.XMLParserType | None = None
        self._is_xml: bool | None = None
        self._row = self._column = self._rows = self._columns = 0
        self._value: list[str] = []

    def add(self, piece: bytes) -> None:
        """More of the entry's bytes."""
        self._unpacked += len(piece)
        if self._unpacked > UNPACKED_BYTES_MAX:
            raise unreadable(f"it is larger than {UNPACKED_BYTES_MAX // 1024**2} MiB when unpacked")
        if self._is_xml is None:
            self._is_xml = piece.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<")
        if self._is_xml:
            self._parse(piece, final=False)

    def end(self) -> None:
        """Of the entry."""
        if self._is_xml:
            self._parse(b"", final=True)

    def _parse(self, piece: bytes, *, final: bool) -> None:
        if self._parser is None:
            self._parser = expat.ParserCreate()
            self._parser.StartElementHandler = self._start
            self._parser.EndElementHandler = self._end
            self._parser.CharacterDataHandler = self._characters_of
        try:
            self._parser.Parse(piece, final)
        except expat.ExpatError:
            raise unreadable("a part of it is damaged") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                self._row, self._column = _number(attributes.get("r", ""), self._row + 1), 0
            case "c":
                place = attributes.get("r", "")
                letters = place.rstrip("0123456789")
                self._column = _column(letters) if letters else self._column + 1
                self._row = _number(place[len(letters) :], self._row)
                self._rows, self._columns = max(self._rows, self._row), max(self._columns, self._column)
                self._is_shared_cell = attributes.get("t") == "s"
                if self._rows * self._columns > CELLS_MAX:
                    raise unreadable(f"a sheet spans more than {CELLS_MAX:,} cells; save it as CSV")
            case "si":
                self._characters = 0
            case "v":
                self._value.clear()

    def _characters_of(self, text: str) -> None:
        self._characters += len(text)
        self._text += len(text)
        if self._is_shared_cell and len(self._value) < _DIGITS_MAX:
            self._value.append(text)

    def _end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "si":
                self._shared.append(self._characters)
            case "v" if self._is_shared_cell:
                number = _number("".join(self._value).strip(), -1)
                if not 0 <= number < len(self._shared):
                    raise unreadable("a part of it is damaged")
                self._text += self._shared[number]
            case "c":
                self._is_shared_cell = False
        if self._text > TEXT_MAX:
            raise unreadable(f"it has more than {TEXT_MAX:,} characters; save it as CSV")


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX else otherwise


def _column(letters: str) -> int:
    number = 0
    for letter in letters[:4].upper():
        number = number * 26 + ord(letter) - 64
    return number


def _unpacked(packed: bytes, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    # APPNOTE 4.3.7: the lengths of name and extra field stand at 26 and 28 of a local header of 30 bytes.
    local = packed[entry.header_offset : entry.header_offset + 30]
    start = entry.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    content = packed[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        yield content
        return
    if entry.compress_type != zipfile.ZIP_DEFLATED or entry.flag_bits & 1:
        raise unreadable("it is packed or protected in a way that cannot be read")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not unpacker.eof and (piece := unpacker.decompress(content, _STEP_BYTES)):
            yield piece
            content = unpacker.unconsumed_tail
    except zlib.error:
        raise unreadable("it is a damaged archive") from None
