"""A multipart/form-data body as it comes in: the bytes of its part `file` are handed on, never collected (RFC 7578)."""

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.kit.errors import Invalid

ENVELOPE_BYTES_MAX: Final = 64 * 1024  # what boundaries, headers and fields may add to the file
_FIELD_BYTES_MAX: Final = 1024


class MalformedForm(Invalid):
    """The multipart body cannot be read: {reason}."""

    code = "multipart_malformed"


class Form:
    """Fed with the body's pieces, gives the file's. `filename` and `name` are known once their parts have passed."""

    def __init__(self, content_type: str) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise MalformedForm(reason="its Content-Type names no boundary")
        self.filename: str | None = None
        self.name: str | None = None
        self._files = 0
        self._ended = False
        self._part: str | None = None
        self._header = b""
        self._value = b""
        self._field = b""
        self._out: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_part_data": self._data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise MalformedForm(reason=str(error)) from error

    def feed(self, chunk: bytes) -> list[bytes]:
        """The pieces of the file that lie in this piece of the body. Raises MalformedForm."""
        self._out = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedForm(reason="it breaks its own boundaries") from error
        return self._out

    def finish(self) -> None:
        """The body is over. Raises MalformedForm when it is not whole or holds no file."""
        if not self._ended:
            raise MalformedForm(reason="it ends before its last boundary")
        if not self._files:
            raise MalformedForm(reason="it has no part named 'file'")

    def _begin_part(self) -> None:
        self._part, self._field = None, b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            options = parse_options_header(self._value)[1]
            self._part = options.get(b"name", b"").decode(errors="replace")
            if self._part == "file":
                self._files += 1
                self.filename = options.get(b"filename", b"").decode(errors="replace")
        self._header = self._value = b""
        if self._files > 1:
            raise MalformedForm(reason="it has more than one part named 'file'")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self._out.append(data[start:end])
        elif self._part == "name":
            self._field = (self._field + data[start:end])[:_FIELD_BYTES_MAX]

    def _end_part(self) -> None:
        if self._part == "name":
            self.name = self._field.decode(errors="replace")

    def _end(self) -> None:
        self._ended = True
