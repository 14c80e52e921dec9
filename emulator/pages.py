"""Cursor pages: `after` is the id of the last item seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

from starlette.requests import Request

from emulator.errors import invalid, not_found

T = TypeVar("T")

DIGITS_MAX = 18  # of a number in text; int() itself fails beyond 4,300


def limit_of(request: Request, *, default: int, most: int) -> int:
    """The `limit` parameter; above `most` it is lowered to `most`, below 1 it is refused."""
    given = request.query_params.get("limit", str(default))
    if len(given) > DIGITS_MAX or not given.isdecimal() or int(given) < 1:
        raise invalid(f"Invalid 'limit': expected an integer above or equal to 1, but got '{given}'.", param="limit")
    return min(int(given), most)


def page(items: Iterable[T], *, after: str | None, limit: int, id_of: Callable[[T], str]) -> tuple[list[T], bool]:
    """The `limit` items behind the one called `after`, and whether more follow.

    What OpenAI answers to an unknown cursor is not established; here it is a 404.
    """
    rest = iter(items)
    if after and not any(id_of(item) == after for item in rest):
        raise not_found(f"No such object: {after}", param="after")
    found = list(islice(rest, limit + 1))
    return found[:limit], len(found) > limit
