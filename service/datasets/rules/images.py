"""Images in user messages (openai.md §3.2): by address, or in the line itself as a data: URL (RFC 2397).

An address is not followed: what lies there when a job runs, only the provider will see.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Any, Final

from service.datasets.rules.problems import IMAGE_BYTES_MAX

_DATA: Final = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_HEAD_CHARS: Final = 64
_COLOURS: Final = {0: "grey", 3: "of a palette", 4: "grey with transparency"}  # PNG (ISO/IEC 15948) §11.2.2
_COLOUR_AT: Final = 25


def findings(url: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(code, facts) of what is wrong with an image's URL."""
    if not isinstance(url, str) or not url.startswith(("http://", "https://", "data:")):
        yield "image_url_invalid", {}
    elif url.startswith("data:"):
        yield from _embedded(url)


def _embedded(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    opening = _DATA.match(url)
    head = _decoded(url[opening.end() : opening.end() + _HEAD_CHARS]) if opening else b""
    if opening is None or not _is_image(head):
        yield "image_format", {}
        return
    size = (len(url) - opening.end()) * 3 // 4 - url.count("=", -2)  # RFC 4648 §4: padding stands for no byte
    if size > IMAGE_BYTES_MAX:
        yield "image_too_large", {"megabytes": round(size / 1000**2, 1)}
    if head.startswith(b"\x89PNG") and head[_COLOUR_AT] in _COLOURS:
        yield "image_not_rgb", {"colours": _COLOURS[head[_COLOUR_AT]]}


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Error, ValueError):
        return b""


def _is_image(head: bytes) -> bool:
    is_webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    is_png = head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) > _COLOUR_AT
    return is_png or is_webp or head.startswith(b"\xff\xd8\xff")
