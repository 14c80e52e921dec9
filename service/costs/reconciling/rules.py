"""What a line of a provider's bill is about, and why it differs from the ledger. Pure.

A difference is split by arithmetic, not by guess: `billed - booked = (billed price - our price) × billed quantity +
our price × (billed quantity - booked quantity)`. The first part is the price's, the second is explained by what was
counted; both add up to the difference to the last digit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final
from uuid import UUID

from service.kit import money

TOLERANCE: Final = Decimal("0.000001")
"""USD a line, a millionth: amounts come as floats, whose last digits are noise, and are rounded by the provider."""
_SHARE: Final = Decimal("1e-9")  # of a line, where that is more: a float has 15 digits

# How lines end, by the meter they are about. Of these only "<model>, input_tokens" is published (openai.md §1.10: the
# SDK's own example); the others are the same words as in the usage API, and what our emulator says of training. A line
# that ends otherwise is nobody's guess: it is shown as unexplained.
ENDINGS: Final[Mapping[str, tuple[str, str]]] = {
    "input_tokens": ("input_tokens", "standard"),
    "cached_input_tokens": ("cached_input_tokens", "standard"),
    "input_cached_tokens": ("cached_input_tokens", "standard"),
    "output_tokens": ("output_tokens", "standard"),
    "input_tokens, batch": ("input_tokens", "batch"),
    "cached_input_tokens, batch": ("cached_input_tokens", "batch"),
    "output_tokens, batch": ("output_tokens", "batch"),
    "training": ("training_tokens", "standard"),
    "training_tokens": ("training_tokens", "standard"),
}
_SECONDS: Final[Mapping[str, int]] = {"duration_seconds": 1, "duration_minutes": 60, "duration_hours": 3600}
_TOKENS: Final[Mapping[str, int]] = {"tokens": 1, "1000_tokens": 1000}


class Cause(StrEnum):
    """Why a day's bill and the ledger differ."""

    TIMING = "timing"  # the provider is not done telling, or tells it of the day before or after
    PRICE_DRIFT = "price_drift"  # the same quantity at another price than the price book's
    UNMAPPED_KEY = "unmapped_key"  # booked, but on nobody: no owner of the key, the project or the model is known
    UNPRICED = "unpriced"  # not booked: the price book has no price
    UNKNOWN_JOB = "unknown_job"  # training that no job of ours did
    ACCRUED = "accrued_difference"  # a stopped job cost other than we worked out
    UNEXPLAINED = "unexplained"


class DayState(StrEnum):
    """How a day stands."""

    MATCHED = "matched"
    TIMING = "timing"
    MISMATCH = "mismatch"


class About(StrEnum):
    """What a line is for."""

    TRAINING = "training"
    INFERENCE = "inference"  # on a tuned model
    OUTSIDE = "outside"  # inference on base models: not kept here
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is compared as one. Training is, whichever project and key it is billed on: an entry does not know them."""

    about: About
    base_model: str | None = None
    meter: str | None = None
    tier: str = "standard"
    project: str = ""
    api_key: str = ""
    line_item: str = ""  # of what is unknown


@dataclass(frozen=True, slots=True)
class Billed:
    """A line of the bill. `quantity` is in what the ledger counts: tokens, or seconds of training."""

    line_item: str
    project: str
    api_key: str
    amount: Decimal
    quantity: Decimal | None


@dataclass(frozen=True, slots=True)
class Accrued:
    """An entry whose amount we worked out ourselves; at most `estimated` had been held for it."""

    entry: UUID
    amount: Decimal
    estimated: Decimal


@dataclass(slots=True)
class Sides:
    """Both sides of one subject on one day. `price` is the book's for one unit of what is counted, if it has any."""

    lines: list[Billed] = field(default_factory=list)
    booked: Decimal = money.ZERO
    booked_quantity: Decimal = money.ZERO
    price: Decimal | None = None
    accrued: list[Accrued] = field(default_factory=list)
    nobodys: Decimal = money.ZERO  # of `booked`
    is_unpriced: bool = False

    @property
    def billed(self) -> Decimal:
        return sum((line.amount for line in self.lines), money.ZERO)

    @property
    def billed_quantity(self) -> Decimal | None:
        """None where any line tells none."""
        counted = [line.quantity for line in self.lines if line.quantity is not None]
        return sum(counted, money.ZERO) if len(counted) == len(self.lines) else None

    @property
    def excess(self) -> Decimal | None:
        """What was counted there and not here."""
        billed = self.billed_quantity
        return None if billed is None else billed - self.booked_quantity

    @property
    def tolerance(self) -> Decimal:
        return max(TOLERANCE, abs(self.billed) * _SHARE)

    @property
    def is_matched(self) -> bool:
        return abs(self.billed - self.booked) <= self.tolerance


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of a day's difference: `amount` was billed beyond the ledger."""

    cause: Cause
    amount: Decimal
    detail: str
    project: str = ""
    api_key: str = ""
    corrects: UUID | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What models' names mean: `base_of` a tuned model's, `snapshot` the one a base's id or alias stands for."""

    base_of: Callable[[str], str | None]
    snapshot: Callable[[str], str | None]


def subject_of(line_item: str, project: str, api_key: str, unit: str | None, names: Names) -> Subject:
    """What the line is about. What names no model we know of, or ends in no way we know, is unknown."""
    model, _, ending = line_item.partition(", ")
    known, tuned_of = ENDINGS.get(ending), names.base_of(model)
    base = names.snapshot(tuned_of or model) or tuned_of
    if known is None or base is None:
        return Subject(About.UNKNOWN, project=project, api_key=api_key, line_item=line_item)
    meter, tier = known
    if meter == "training_tokens":
        return Subject(About.TRAINING, base, "training_hours" if unit in _SECONDS else meter)
    if tuned_of is None:
        return Subject(About.OUTSIDE)
    return Subject(About.INFERENCE, base, meter, tier, project, api_key)


def counted(quantity: Decimal | None, unit: str | None) -> Decimal | None:
    """The provider's quantity in what the ledger counts; None where it tells none, or in a unit we do not know."""
    size = _TOKENS.get(unit or "") or _SECONDS.get(unit or "")
    return None if quantity is None or size is None else quantity * size


def differences(
    subject: Subject, sides: Sides, *, is_settled: bool, beside: Sequence[Decimal] = ()
) -> list[Difference]:
    """The parts of `billed - booked`, each with its cause; their amounts add up to it. None where the sides agree.

    `is_settled`: the provider has had the time it takes to tell everything. `beside` is by how much it has counted more
    than we on the day before and on the day after.
    """
    found = _owners_missing(subject, sides)
    total = sides.billed - sides.booked
    if sides.is_matched:
        return found
    if subject.about is About.UNKNOWN:
        return [*found, Difference(Cause.UNEXPLAINED, total, "No line that we know of.", *_where(subject))]
    drift = _drift(sides)
    if drift is not None and abs(drift) > sides.tolerance:
        ours = _each(_our_price(sides) or money.ZERO, Decimal(1))
        detail = f"Billed at {_each(sides.billed, sides.billed_quantity)}, booked at {ours} for a million."
        found.append(Difference(Cause.PRICE_DRIFT, drift, detail, *_where(subject)))
    else:
        drift = money.ZERO
    if abs(total - drift) > sides.tolerance:
        found.append(_of_quantity(subject, sides, total - drift, is_settled=is_settled, beside=beside))
    elif total != drift and found:  # what rounding left, so that the parts add up
        found[-1] = replace(found[-1], amount=found[-1].amount + total - drift)
    return found


def _owners_missing(subject: Subject, sides: Sides) -> list[Difference]:
    """It is in the ledger, so it is no part of the difference: somebody has to say whose it is."""
    if not sides.nobodys:
        return []
    detail = f"{money.text(sides.nobodys)} USD is booked on nobody: say whose the key or its project is."
    return [Difference(Cause.UNMAPPED_KEY, money.ZERO, detail, *_where(subject))]


def _where(subject: Subject) -> tuple[str, str]:
    return subject.project, subject.api_key


def _our_price(sides: Sides) -> Decimal | None:
    """For one unit of what is counted: what was booked came to, else the price book's."""
    if not sides.booked_quantity:
        return sides.price
    with localcontext(prec=60):
        return sides.booked / sides.booked_quantity


def _drift(sides: Sides) -> Decimal | None:
    """What the provider's price makes of the difference; None where its price or ours is not known."""
    price, quantity = _our_price(sides), sides.billed_quantity
    if price is None or not quantity:
        return None
    with localcontext(prec=60):
        return money.amount(sides.billed - price * quantity)


def _of_quantity(
    subject: Subject, sides: Sides, amount: Decimal, *, is_settled: bool, beside: Sequence[Decimal]
) -> Difference:
    """Why more, or less, was counted there than here."""
    where = _where(subject)
    if sides.is_unpriced:
        return Difference(Cause.UNPRICED, amount, "The price book has no price of that day for it.", *where)
    if not is_settled:
        return Difference(Cause.TIMING, amount, "The provider may still tell more of this day.", *where)
    if sides.excess and -sides.excess in beside:
        return Difference(Cause.TIMING, amount, "It is billed on the day before or after.", *where)
    if subject.about is not About.TRAINING:
        return Difference(Cause.UNEXPLAINED, amount, _counts(sides), *where)
    if stranger := _stranger(sides):
        detail = f"{_counts(sides)} A line of its own is billed to another key."
        return Difference(Cause.UNKNOWN_JOB, amount, detail, stranger.project, stranger.api_key)
    if (stopped := _stopped(sides, amount)) is not None:
        entry, detail = stopped
        return Difference(Cause.ACCRUED, amount, detail, corrects=entry)
    if amount > 0:
        return Difference(Cause.UNKNOWN_JOB, amount, _counts(sides))
    return Difference(Cause.UNEXPLAINED, amount, _counts(sides))


def _stranger(sides: Sides) -> Billed | None:
    """A line among several that is all there is too much; ours are all submitted with one key."""
    too_much = [line for line in sides.lines if line.quantity and line.quantity == sides.excess]
    return too_much[0] if len(too_much) == 1 and len(sides.lines) > 1 else None


def _stopped(sides: Sides, amount: Decimal) -> tuple[UUID | None, str] | None:
    """The stopped job that explains it, or None for several together; nothing where even all could not.

    A stopped job is billed between nothing and what the whole would have cost, which is what was held for it.
    """
    unbilled = [one for one in sides.accrued if abs(one.amount + amount) <= sides.tolerance]
    if len(unbilled) == 1:
        return unbilled[0].entry, "A job that was stopped is not billed."
    least = -sum((one.amount for one in sides.accrued), money.ZERO)
    most = sum((max(one.estimated - one.amount, money.ZERO) for one in sides.accrued), money.ZERO)
    if not sides.accrued or not least - sides.tolerance <= amount <= most + sides.tolerance:
        return None
    detail = "Stopped jobs are billed for other steps than we worked out."
    return (sides.accrued[0].entry if len(sides.accrued) == 1 else None), detail


def _counts(sides: Sides) -> str:
    billed = sides.billed_quantity
    if billed is None:
        return "The provider tells no quantity."
    return f"{billed.normalize():f} counted there, {sides.booked_quantity.normalize():f} here."


def _each(amount: Decimal, quantity: Decimal | None) -> str:
    with localcontext(prec=60):
        return money.text(amount * 1_000_000 / quantity) if quantity else "nothing"


def state_of(causes: Sequence[Cause]) -> DayState:
    """How the day stands with these differences open."""
    if not causes:
        return DayState.MATCHED
    return DayState.TIMING if set(causes) == {Cause.TIMING} else DayState.MISMATCH
