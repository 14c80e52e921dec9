"""What a team may use, what it has used of it, and when it counts afresh."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.kit import money
from service.quotas.rules import Origin
from service.quotas.schemas.limits import Unlimited


class QuotaLine(BaseModel):
    """One limit. Amounts of money are decimal strings, all others integers."""

    name: str = Field(examples=["training_tokens_per_month"])
    unit: str = Field(description="What is counted; of money its currency.", examples=["tokens"])
    origin: Origin = Field(serialization_alias="from", description="Whose word it is: the team's own, else inherited.")
    limit: int | money.Amount | list[str] | Unlimited | None = Field(
        description="What may be used, or of a list what is allowed. Null: there is no budget, so nothing may be spent."
    )
    spent: int | money.Amount | None = Field(
        None, description="What has been used. Null: not counted, or counted by the header `RateLimit`."
    )
    held: int | money.Amount | None = Field(None, description="What jobs under way may use at most.")
    left: int | money.Amount | Unlimited | None = Field(None, description="What may still be used; never below zero.")
    resets_at: datetime | None = Field(
        None, description="When it counts afresh. Null: never, as jobs end or datasets are deleted."
    )


class QuotaView(BaseModel):
    """Everything a team may use, at one moment."""

    object: Literal["quota"] = "quota"
    team: str = Field(description="The team's slug.", examples=["support-bot"])
    data: list[QuotaLine]

    def line(self, name: str) -> QuotaLine:
        """The limit of that name."""
        return next(one for one in self.data if one.name == name)


def counted(name: str, unit: str, word: tuple[Any, Origin], *, spent: int, held: int | None = None,
            resets_at: datetime | None = None) -> QuotaLine:  # fmt: skip
    """The line of a limit that is a number of something."""
    limit, origin = word
    left = limit if isinstance(limit, str) else max(0, int(limit) - spent - (held or 0))
    return QuotaLine(
        name=name, unit=unit, origin=origin, limit=limit, spent=spent, held=held, left=left, resets_at=resets_at
    )
