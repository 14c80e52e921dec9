"""Conditional requests: an answer that the client has already is not sent again (RFC 9110, 13.1.2)."""

import re
from typing import Annotated, Final

from fastapi import Header, Response

IfNoneMatch = Annotated[str, Header(description="The `ETag` of what you have: `304` if it is still that.")]
_TAGS: Final = re.compile(r'(?:W/)?("[^"]*")')


def answered(body: bytes, etag: str, if_none_match: str) -> Response:
    """The JSON, or 304 where `If-None-Match` names it. Whoever keeps it asks each time whether it still holds."""
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
    if if_none_match.strip() == "*" or etag in _TAGS.findall(if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
