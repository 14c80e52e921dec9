"""A month ends and begins, in the tables too, at the instant at which the team's own clocks show it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.quotas.factories import a_funded_team, budget, hold, is_granted, shown
from tests.quotas.test_requests import approve, ask

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("zone", "ends", "month", "following"),
    [
        ("UTC", "2028-03-01T00:00", "2028-02", "2028-03"),  # leap February
        ("Asia/Tokyo", "2028-02-29T15:00", "2028-02", "2028-03"),
        ("Asia/Tokyo", "2027-02-28T15:00", "2027-02", "2027-03"),
        ("America/New_York", "2027-03-01T05:00", "2027-02", "2027-03"),  # winter time
        ("America/New_York", "2027-04-01T04:00", "2027-03", "2027-04"),  # clocks went on in between
        ("America/New_York", "2026-12-01T05:00", "2026-11", "2026-12"),  # and back
        ("Europe/Berlin", "2026-03-31T22:00", "2026-03", "2026-04"),
        ("Europe/Berlin", "2026-10-31T23:00", "2026-10", "2026-11"),
        ("Africa/Cairo", "2026-10-31T22:00", "2026-10", "2026-11"),  # clocks go back in the month's last days
        ("Asia/Gaza", "2026-03-31T21:00", "2026-03", "2026-04"),
        ("Pacific/Kiritimati", "2026-12-31T10:00", "2026-12", "2027-01"),
        ("Pacific/Pago_Pago", "2027-01-01T11:00", "2026-12", "2027-01"),
    ],
)
def test_a_month_closes_and_the_next_opens_at_that_instant(zone: str, ends: str, month: str, following: str) -> None:
    begins = datetime.fromisoformat(ends).replace(tzinfo=UTC)
    last = begins - timedelta(microseconds=1)
    team = a_funded_team("10", at=last, time_zone=zone)
    hold(team, "10", at=last)
    assert not is_granted(team, "0.01", at=last)
    assert is_granted(team, "10", at=begins)
    assert not is_granted(team, "0.01", at=begins)
    assert (budget(team, at=last).resets_at, budget(team, at=last).month) == (begins, month)
    assert shown(team, "month", "held", at=begins) == (following, "10.00")
    granted = approve(ask(team, "1", at=last), at=last).grant
    assert granted is not None
    assert granted.expires_at == begins
