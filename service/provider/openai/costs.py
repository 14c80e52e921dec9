"""What an organisation is billed, by day, project, key and line item."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from service.provider.openai.organization import Told, amount, results
from service.provider.openai.told import storable, word
from service.provider.shapes import Credentials, RemoteCost

_GROUPS: Final = ("project_id", "line_item", "api_key_id")
_DAYS_A_PAGE: Final = 180
_LINE_ITEM_LENGTH_MAX: Final = 200


def daily_costs(admin: Credentials, *, since: date, until: date, projects: Sequence[str] = ()) -> list[RemoteCost]:
    """Every line of the days (UTC) from `since` up to, not including, `until`; amounts to the provider's last digit.

    A day without a line has cost nothing, or is not told yet: the provider lags. Raises as organization.results.
    """
    return results(
        admin,
        "/organization/costs",
        _cost,
        since=since,
        until=until,
        group_by=_GROUPS,
        projects=projects,
        days_a_page=_DAYS_A_PAGE,
    )


def _cost(day: date, told: Told) -> RemoteCost:
    billed, quantity = told["amount"], told.get("quantity")
    return RemoteCost(
        day=day,
        project=word(told.get("project_id")),
        api_key=word(told.get("api_key_id")),
        line_item=storable(str(told.get("line_item") or ""))[:_LINE_ITEM_LENGTH_MAX],
        amount=amount(billed["value"]),
        currency=str(billed["currency"]).upper()[:3],
        quantity=None if quantity is None else amount(quantity),
        quantity_unit=word(told.get("quantity_unit")),
    )
