"""What the script has in store for the bill: lines that are wrong, late, missing, or of nobody's doing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from emulator import ids
from emulator.config import DEFAULT_PROJECT
from emulator.errors import invalid
from emulator.scripts import Types, checked

KINDS = ("drift", "quantity", "missing", "late", "extra")
UNITS = ("tokens", "duration_seconds", "duration_hours", "gibibyte_hours")
TYPES: Types = {
    "kind": str,
    "line_item": str,
    "project": str,
    "api_key": str,
    "factor": str,
    "seconds": (int, float),
    "amount": str,
    "quantity": str,
    "unit": str,
    "at": (int, float),
}


@dataclass(frozen=True)
class Charge:
    """A line of the bill: what it is for, in US dollars, and when (virtual) that was certain."""

    at: float
    line_item: str
    amount: Decimal
    quantity: Decimal | None
    quantity_unit: str | None = "tokens"
    project_id: str = DEFAULT_PROJECT
    api_key_id: str | None = None
    late_seconds: float = 0.0


@dataclass(frozen=True)
class Discrepancy:
    """What is wrong with every line that matches: its `line_item` (a regular expression), `project` and `api_key`.

    drift: the price is `factor` times what it should be. quantity: so is what was counted, at the right price. missing:
    never billed. late: billed `seconds` (virtual) later. extra: a line more, of `amount` and `quantity` (null: none is
    told), at the moment `at`; here `line_item` is its name.
    """

    kind: str
    line_item: str = ""
    id: str = field(default_factory=lambda: ids.fresh("disc_", 12))
    project: str | None = None
    api_key: str | None = None
    factor: str = "1"
    seconds: float = 0.0
    amount: str = "0"
    quantity: str | None = None
    unit: str = "tokens"
    at: float | None = None

    @classmethod
    def parse(cls, script: dict[str, Any]) -> Discrepancy:
        """One from the control API's JSON; raises a 400 that says what is wrong with it."""
        made = cls(**checked(script, cls, TYPES))
        for name, choice in {"kind": KINDS, "unit": UNITS}.items():
            if getattr(made, name) not in choice:
                raise invalid(f"'{name}' must be one of {', '.join(choice)}.", param=name)
        try:
            re.compile(made.line_item)
        except re.error as error:
            raise invalid(f"'line_item' is not a regular expression: {error}.", param="line_item") from None
        for name in ("factor", "amount", "quantity"):
            if not _is_decimal(getattr(made, name)):
                raise invalid(f"'{name}' must be a decimal number, as a text.", param=name)
        if made.kind == "extra" and not made.line_item:
            raise invalid("'line_item' must be given.", param="line_item")
        return made

    def charge(self, now: float) -> Charge:
        """The line that is one too many."""
        return Charge(
            at=now if self.at is None else self.at,
            line_item=self.line_item,
            amount=Decimal(self.amount),
            quantity=None if self.quantity is None else Decimal(self.quantity),
            quantity_unit=None if self.quantity is None else self.unit,
            project_id=self.project or DEFAULT_PROJECT,
            api_key_id=self.api_key,
        )

    def applied_to(self, charge: Charge) -> Charge | None:
        """The line as it is billed; None where it is not."""
        if self.kind == "extra" or not self._concerns(charge):
            return charge
        match self.kind:
            case "missing":
                return None
            case "late":
                return replace(charge, late_seconds=charge.late_seconds + self.seconds)
            case "drift":
                return replace(charge, amount=charge.amount * Decimal(self.factor))
        counted = None if charge.quantity is None else charge.quantity * Decimal(self.factor)
        return replace(charge, amount=charge.amount * Decimal(self.factor), quantity=counted)

    def _concerns(self, charge: Charge) -> bool:
        return (
            re.search(self.line_item, charge.line_item) is not None
            and self.project in (None, charge.project_id)
            and self.api_key in (None, charge.api_key_id)
        )

    def view(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _is_decimal(text: str | None) -> bool:
    return text is None or re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", text) is not None
