"""What a caller can do about a report that cannot be made."""

from service.kit.errors import Invalid


class UnknownGroup(Invalid):
    """Costs cannot be grouped by {group!r}; give any of {known}, with commas between."""

    code = "unknown_group"


class BadPeriod(Invalid):
    """{period!r} is not a month: give one as YYYY-MM, for example 2026-11."""

    code = "bad_period"
