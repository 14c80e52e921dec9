"""Lists as OpenAI pages them: `after` and `limit` in, `{object: "list", data, has_more, first_id, last_id}` out.

Ids are UUIDv7, so newest first by id is newest first by time, and a page costs the same wherever it lies.
"""

from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.orm import Session

LIMIT_DEFAULT = 20
LIMIT_MAX = 100

Item = TypeVar("Item")
Row = TypeVar("Row")


class Page(BaseModel, Generic[Item]):
    """One page of a list, newest first. Ask on with `after=last_id` while `has_more`."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool = Field(description="Whether older items follow; if so, ask again with `after` set to `last_id`.")
    first_id: str | None = None
    last_id: str | None = None


def page_of(items: list[Any], *, has_more: bool, id_of: str = "id") -> Page[Any]:
    """A page of views that carry their own shown id."""
    first, last = (getattr(items[0], id_of), getattr(items[-1], id_of)) if items else (None, None)
    return Page[Any](data=items, has_more=has_more, first_id=first, last_id=last)


def newest_first(
    session: Session, statement: Select[Row], id_column: Any, *, after: UUID | None, limit: int
) -> tuple[list[Row], bool]:
    """Up to `limit` rows older than `after`, newest first, and whether more follow. `after` need not exist any more."""
    if after is not None:
        statement = statement.where(id_column < after)
    rows = list(session.scalars(statement.order_by(id_column.desc()).limit(limit + 1)))
    return rows[:limit], len(rows) > limit
