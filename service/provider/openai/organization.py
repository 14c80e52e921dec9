"""The pages of an organisation, read with its admin key: buckets of days (openai.md §1.10).

The SDK pages neither costs nor usage by itself, and reads amounts as floats; so the text is read here, its numbers as
the decimals they are written as.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final, TypeVar

import httpx2

from service.provider.errors import Unknown
from service.provider.openai.client import client, translated
from service.provider.shapes import Credentials

_COUNT_MAX: Final = 10**12  # more than all models of the world have said in a day; NUMERIC(24, 10) holds it

Told = Mapping[str, Any]
Result = TypeVar("Result")


def results(
    admin: Credentials,
    path: str,
    read: Callable[[date, Told], Result],
    *,
    since: date,
    until: date,
    group_by: Sequence[str],
    projects: Sequence[str],
    days_a_page: int,
) -> list[Result]:
    """What the pages tell of the days (UTC) from `since` up to, not including, `until`, each result as `read` reads it.

    Its outcome says nothing about the account's own key: no circuit is asked or told. Raises AccountRefused where the
    key is no admin's, NotThere where the server has no such pages, and Unknown for what cannot be read.
    """
    query: dict[str, Any] = {
        "start_time": _seconds(since),
        "end_time": _seconds(until),
        "bucket_width": "1d",
        "group_by": list(group_by),
        "limit": days_a_page,
    }
    if projects:
        query["project_ids"] = list(projects)
    found: list[Result] = []
    with translated(admin, None):
        seen: set[str] = set()
        while True:
            try:
                answer = client(admin).get(path, cast_to=httpx2.Response, options={"params": query})
                page = json.loads(answer.text, parse_float=Decimal)
                for bucket in page["data"]:
                    day = datetime.fromtimestamp(int(bucket["start_time"]), UTC).date()
                    found += [read(day, one) for one in bucket["results"]]
            except (LookupError, ArithmeticError, RecursionError) as error:
                raise ValueError(f"{path} cannot be read") from error
            following = str(page.get("next_page") or "")
            if not page.get("has_more") or not following:
                return found
            if following in seen:
                raise Unknown(f"the pages of {path} have no end")
            seen.add(following)
            query["page"] = following


def amount(told: Any) -> Decimal:
    """A number of money or of a quantity, as it is written. ValueError for what is none."""
    value = Decimal(told)
    if not value.is_finite() or abs(value) > _COUNT_MAX:
        raise ValueError(f"{told} is no amount")
    return value


def count(told: Any) -> int:
    """A number of tokens or requests; absent is none. ValueError for what cannot be one."""
    value = int(told or 0)
    if not 0 <= value <= _COUNT_MAX:
        raise ValueError(f"{told} cannot be counted")
    return value


def _seconds(day: date) -> int:
    return int(datetime.combine(day, time.min, UTC).timestamp())
