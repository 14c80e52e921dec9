"""What becomes of an upload's body on its way in: taken out of its envelope, unpacked, counted, hashed. No I/O.

A body may be packed for the way (Content-Encoding), be a form, and hold a file that is itself packed: each is undone
once, in this order. What is kept, counted and hashed are the bytes that come out.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from python_multipart.multipart import parse_options_header

from service import datasets
from service.api.errors import BodyTooLarge
from service.api.multipart import ENVELOPE_BYTES_MAX, Form
from service.kit.compressed import ENDINGS, MAGIC_BYTES, Packing, Unpacker, packing_of
from service.kit.errors import Invalid
from service.kit.settings import settings

FORM: Final = "multipart/form-data"
RAW: Final = (
    "application/jsonl", "application/x-jsonlines", "application/x-ndjson", "application/ndjson", "application/json",
    "application/octet-stream", "text/plain", "text/jsonl", "text/csv", "text/tab-separated-values",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/gzip", "application/x-gzip", "application/zstd",
)  # fmt: skip
_CODINGS: Final[Mapping[str, Packing | None]] = {
    "": None, "identity": None, "gzip": Packing.GZIP, "x-gzip": Packing.GZIP, "zstd": Packing.ZSTD,
}  # fmt: skip
_SHA256: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]+=*):\s*(?:;[^,]*)?(?=,|$)")


class MediaTypeUnsupported(Invalid):
    """A dataset is sent as {accepted}, or in a form as multipart/form-data; this request says {media_type!r}."""

    code = "media_type_unsupported"
    status = 415


class EncodingUnsupported(Invalid):
    """Send the file as it is, or packed by gzip or zstd: the Content-Encoding {encoding!r} is not taken."""

    code = "content_encoding_unsupported"
    status = 415


class EmptyUpload(Invalid):
    """There is not a single byte in this file."""

    code = "empty_file"


class DigestMalformed(Invalid):
    """Content-Digest must read `sha-256=:<base64 of 32 bytes>:` (RFC 9530)."""

    code = "content_digest_malformed"


class DigestMismatch(Invalid):
    """The body that arrived is not the one Content-Digest speaks of. Nothing was kept; please send it again."""

    code = "digest_mismatch"


class Intake:
    """Fed with the body's pieces, gives the file's, each at most a megabyte or what was fed.

    What the headers forbid is refused at once; what else is wrong as soon as it is known.
    """

    def __init__(
        self, headers: Mapping[str, str], *, filename: str | None, name: str | None, content_digest: str | None
    ) -> None:
        coding = headers.get("content-encoding", "").strip().lower()
        if coding not in _CODINGS:
            raise EncodingUnsupported(encoding=coding)
        content_type = headers.get("content-type", "application/octet-stream")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in (*RAW, FORM):
            raise MediaTypeUnsupported(media_type=media_type, accepted=RAW[0])
        self._form = Form(content_type) if media_type == FORM else None
        self._file_max = settings().upload_bytes_max
        self._body_max = self._file_max + (ENVELOPE_BYTES_MAX if self._form else 0)
        announced = headers.get("content-length", "")
        self.announced = int(announced) if announced.isdecimal() else 0
        self._check_size(body=self.announced)
        self._expected = _digest(content_digest)
        disposition = parse_options_header(headers.get("content-disposition", ""))[1].get(b"filename", b"")
        self._filename = filename or disposition.decode(errors="replace")
        self._name = name
        packing = _CODINGS[coding]
        self._decoder = Unpacker(packing) if packing else None  # of the body
        self._packing: Packing | None = None  # of the file
        self._unpacker: Unpacker | None = None
        self._head: bytes | None = b""  # the file's first bytes; none once they told how it is packed
        self._received = self._decoded = 0
        self._body_digest = hashlib.sha256()
        self.digests = datasets.Digests(settings().segment_bytes)  # of what is kept

    @property
    def is_packed(self) -> bool:
        """Whether a step may take long enough to be kept away from the event loop."""
        return self._decoder is not None or self._unpacker is not None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The file's bytes that lie in this piece of the body. Raises what is wrong with them."""
        self._received += len(chunk)
        self._check_size(body=self._received)
        if self._expected:
            self._body_digest.update(chunk)
        for part in _through(self._decoder, chunk):
            self._decoded += len(part)
            self._check_size(body=self._decoded)
            for piece in self._form.feed(part) if self._form else (part,):
                yield from self._of_file(piece)

    def finish(self) -> Iterator[bytes]:
        """What is left of the file, now that the body is over. Raises what only now is known to be wrong."""
        if self._decoder and self._received:
            self._decoder.finish()
        if self._form:
            self._form.finish()
        if self._head:
            head, self._head = self._head, None
            yield from self._counted((head,))
        if self._unpacker:
            self._unpacker.finish()
        if not self.digests.size:
            raise EmptyUpload
        if self._expected and self._body_digest.digest() != self._expected:
            raise DigestMismatch

    def _of_file(self, piece: bytes) -> Iterator[bytes]:
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < MAGIC_BYTES:
                self._head = piece
                return
            self._head, self._packing = None, packing_of(piece)
            self._unpacker = Unpacker(self._packing) if self._packing else None
        yield from self._counted(_through(self._unpacker, piece))

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.digests.update(piece)
            self._check_size(file=self.digests.size)
            if piece:
                yield piece

    def _check_size(self, *, body: int = 0, file: int = 0) -> None:
        if body > self._body_max or file > self._file_max:
            raise BodyTooLarge(bytes_max=self._file_max)

    @property
    def filename(self) -> str:
        """Without folders, unprintable characters and, where it was unpacked, the ending that says so."""
        given = self._filename or (self._form.filename if self._form else None) or ""
        plain = _clean(re.split(r"[/\\]", given)[-1])
        stem, _, ending = plain.rpartition(".")
        if self._packing and ending.lower() in ENDINGS[self._packing]:
            plain = stem
        return plain[:255] or "dataset.jsonl"

    @property
    def name(self) -> str | None:
        """What people call it, if they said so."""
        return _clean(self._name or (self._form.name if self._form else None) or "")[:100] or None


def _through(unpacker: Unpacker | None, data: bytes) -> Iterable[bytes]:
    return unpacker.feed(data) if unpacker else (data,)


def _clean(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()


def _digest(header: str | None) -> bytes | None:
    """The SHA-256 in a Content-Digest. One without is none; other algorithms may stand beside it (RFC 9530, 2)."""
    if header is None or "sha-256=" not in header:
        return None
    found = _SHA256.search(header)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise DigestMalformed(pointer="Content-Digest")
    return digest
