"""Money: exact decimals of ten places in one currency, decimal strings in JSON. Never a float."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Final

from pydantic import PlainSerializer, WithJsonSchema
from sqlalchemy import Numeric

CURRENCY: Final = "USD"
PLACES: Final = Decimal(1).scaleb(-10)
ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


def amount(value: Decimal | int | str) -> Decimal:
    """The value at the ledger's ten places, rounded half to even."""
    return Decimal(value).quantize(PLACES, rounding=ROUND_HALF_EVEN)


def text(value: Decimal) -> str:
    """A decimal without an exponent or trailing zeros, but at least two places: `0.0129`, `12.00`."""
    whole, _, places = f"{amount(value):f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def plain(value: Decimal) -> str:
    """Any decimal to its last digit, without an exponent or trailing zeros: `0.000277777777777778`, `12`."""
    whole, _, places = f"{value:f}".partition(".")
    return f"{whole}.{places}".rstrip("0").rstrip(".") if places else whole


def in_cents(value: Decimal) -> str:
    """An amount for people to read, to the cent: `1,234.50`; what costs something is never shown as nothing."""
    return "under 0.01" if 0 < value < _CENT else f"{value:,.2f}"


def column() -> Numeric[Decimal]:
    """The column type of every amount and price."""
    return Numeric(20, 10)


Amount = Annotated[
    Decimal,
    PlainSerializer(text, return_type=str),
    WithJsonSchema({"type": "string", "format": "decimal", "examples": ["12.50"]}),
]
"""A Decimal that travels as a string."""
