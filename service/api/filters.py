"""Filters that lists share and FastAPI cannot read by itself."""

import re
from typing import Any, Final

from fastapi import Request

from service.kit.errors import Invalid

PAIRS_MAX: Final = 16
_KEY: Final = re.compile(r"metadata\[([^\x00\[\]]{1,64})\]")
METADATA_PARAMETER: Final[dict[str, Any]] = {
    "name": "metadata",
    "in": "query",
    "required": False,
    "style": "deepObject",
    "explode": True,
    "description": "Only what carries these labels, `metadata[key]=value`; several must all hold.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": PAIRS_MAX},
    "example": {"ticket": "ML-42"},
}
"""The parameter as OpenAPI describes it."""


class BadFilter(Invalid):
    """{parameter} is no filter: write metadata[key]=value, each key once, at most {most} of them."""

    code = "invalid_filter"


def metadata_filter(request: Request) -> dict[str, str]:
    """`?metadata[k]=v&metadata[l]=w` as a dict. Raises BadFilter."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if not name.startswith("metadata"):
            continue
        key = _KEY.fullmatch(name)
        if key is None or key[1] in found or "\x00" in value or len(found) == PAIRS_MAX:
            raise BadFilter(parameter=name.replace("\x00", "\ufffd"), most=PAIRS_MAX, pointer="metadata")
        found[key[1]] = value
    return found
