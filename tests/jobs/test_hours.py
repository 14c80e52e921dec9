"""Seconds of training told from the provider's events."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.jobs.hours import Told, seconds_trained

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STARTED, PAUSED, MADE = "Fine-tuning job started", "Fine-tuning job paused", "New fine-tuned model created: ft:x"


def at(second: int, message: str, kind: str = "message") -> Told:
    return Told(NOON + timedelta(seconds=second), kind, message)


def step(second: int) -> Told:
    return at(second, "Step 1/9 , train mean reward=0.42", "metrics")


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([], 0),
        ([at(0, "Created fine-tuning job: ftjob-1"), at(9, "Files validated, moving job to queued state")], 0),
        ([at(10, STARTED)], 0),
        ([at(10, STARTED), step(20), step(30)], 20),
        ([at(10, STARTED), step(20), at(40, MADE), at(900, "Usage policy evaluations completed")], 30),
        ([at(10, STARTED), step(20), at(25, "Fine-tuning job cancelled")], 15),
        ([at(10, STARTED), step(20), at(25, PAUSED), at(400, STARTED), step(410), at(420, MADE)], 35),
        ([at(10, STARTED), at(10, STARTED), step(20)], 10),
        ([step(20), at(10, STARTED)], 10),  # told out of order
        ([step(5), at(10, STARTED), step(20)], 10),
        ([at(10, PAUSED)], 0),
        ([at(5, "Training commenced"), step(20), step(30), at(40, MADE)], 20),  # worded otherwise
    ],
)
def test_only_training_counts(events: list[Told], seconds: int) -> None:
    assert seconds_trained(events) == seconds


def test_while_it_trains_time_goes_on_and_while_it_stands_it_does_not() -> None:
    running = [at(10, STARTED), step(20)]
    assert seconds_trained(running, now=NOON + timedelta(seconds=50)) == 40
    assert seconds_trained([*running, at(30, PAUSED)], now=NOON + timedelta(seconds=50)) == 20
    assert seconds_trained(running, now=NOON) == 10, "a clock of ours that is slow takes nothing away"


@given(st.lists(st.tuples(st.integers(0, 10**5), st.sampled_from([STARTED, PAUSED, MADE, "?"]))))
def test_no_history_trains_longer_than_it_lasted(told: list[tuple[int, str]]) -> None:
    events = [at(second, message) for second, message in told]
    span = max((one.at for one in events), default=NOON) - min((one.at for one in events), default=NOON)
    assert 0 <= seconds_trained(events) <= span.total_seconds()
