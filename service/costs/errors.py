"""What a caller can do about a report that cannot be made."""

from service.kit.errors import Conflict, Invalid, NotFound


class UnknownGroup(Invalid):
    """Costs cannot be grouped by {group!r}; give any of {known}."""

    code = "unknown_group"


class BadPeriod(Invalid):
    """{period!r} is not a month: give one as YYYY-MM, for example 2026-11."""

    code = "bad_period"


class BadSpan(Invalid):
    """Give either period=YYYY-MM or both start and end, days from 2000 to 2099 as YYYY-MM-DD with start before end."""

    code = "bad_span"


class AsOfTooRecent(Invalid):
    """as_of must lie {seconds} seconds or more in the past: later bookings may be under way."""

    code = "as_of_too_recent"


class UnknownSort(Invalid):
    """Costs cannot be sorted by {sort!r}; give one of {known}, with - before it for the largest first."""

    code = "unknown_sort"


class BadCursor(Invalid):
    """`after` is not of this report: give what its last page said as `next`, and ask for the same keys and order."""

    code = "bad_cursor"


class UnknownEntry(NotFound):
    """There is no ledger entry {entry!r}."""

    code = "ledger_entry_not_found"


class BadChargeDay(Invalid):
    """An adjustment cannot be charged at {at}: give an instant from 2000 on that is not in the future."""

    code = "charge_day_invalid"


class AlreadyBooked(Conflict):
    """{ext_ref!r} is in the ledger already, for something else. Nothing was booked."""

    code = "already_booked"


class PeriodNotOver(Conflict):
    """{month} cannot be closed before it is over: that is on {ends} at 00:00 UTC."""

    code = "period_not_over"


class EarlierPeriodOpen(Conflict):
    """{month} cannot be closed before {earlier}, which has entries and is open. Close that one first."""

    code = "earlier_period_open"


class LaterPeriodClosed(Conflict):
    """{month} cannot be reopened while {later} is closed. Reopen that one first."""

    code = "later_period_closed"


class PeriodIsOpen(Conflict):
    """{month} is open: only what was closed can be reopened or verified."""

    code = "period_open"


class UsageOwnerNotFound(NotFound):
    """Nobody has said whose the {kind} {external_id!r} at {connection!r} is."""

    code = "usage_owner_not_found"


class ReconciliationNotFound(NotFound):
    """There is no reconciliation {reconciliation!r}."""

    code = "reconciliation_not_found"


class FindingNotFound(NotFound):
    """The reconciliation {reconciliation!r} has no finding {finding!r}."""

    code = "finding_not_found"
