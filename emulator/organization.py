"""What the pages of the organisation have in common (§1.10): buckets of time, groups, `next_page`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from emulator.errors import invalid
from emulator.pages import limit_of
from emulator.state import World

DAY_SECONDS = 86_400
MOMENT_DIGITS_MAX = 10  # of unix seconds up to the year 2286


@dataclass(frozen=True)
class Width:
    """A width of buckets: how many a page has unless asked for, and how many it has at most."""

    seconds: int
    default: int
    most: int


@dataclass(frozen=True)
class Span:
    """The buckets of one page: where each begins, how long it is, and where the next page begins, if there is one."""

    starts: range
    seconds: int
    next_page: str | None


def span_of(request: Request, world: World, widths: dict[str, Width]) -> Span:
    """What the request asks for, from the bucket `start_time` lies in; raises a 400 that names the parameter."""
    params = request.query_params
    width = widths.get(params.get("bucket_width", "1d"))
    if width is None:
        raise invalid(f"'bucket_width' must be one of {', '.join(widths)}.", param="bucket_width")
    start = _moment(params.get("page") or params.get("start_time"), "start_time")
    end = _moment(params["end_time"], "end_time") if "end_time" in params else int(world.clock.now()) + 1
    starts = range(start - start % width.seconds, max(start + 1, end), width.seconds)
    shown = starts[: min(width.most, limit_of(request, default=width.default, most=width.most))]
    return Span(shown, width.seconds, str(starts[len(shown)]) if len(shown) < len(starts) else None)


def _moment(given: str | None, name: str) -> int:
    if given is None or len(given) > MOMENT_DIGITS_MAX or not given.isdecimal():
        raise invalid(f"'{name}' must be given in unix seconds.", param=name)
    return int(given)


def groups_of(request: Request, known: Collection[str]) -> list[str]:
    """What is grouped by; raises a 400."""
    groups = many(request, "group_by")
    if unknown := [one for one in groups if one not in known]:
        raise invalid(f"'group_by' here knows {', '.join(known)}, not '{unknown[0]}'.", param="group_by")
    return groups


def many(request: Request, name: str) -> list[str]:
    """A parameter given any number of times, with brackets (as the SDK writes it) or without."""
    return [*request.query_params.getlist(f"{name}[]"), *request.query_params.getlist(name)]


def page(span: Span, results: Callable[[int, int], list[dict[str, Any]]]) -> dict[str, Any]:
    """The page; `results` are those from one moment to another."""
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": start,
                "end_time": start + span.seconds,
                "results": results(start, start + span.seconds),
            }
            for start in span.starts
        ],
        "has_more": span.next_page is not None,
        "next_page": span.next_page,
    }
