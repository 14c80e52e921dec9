"""How many jobs of a model an account takes at a time: what is said, what is learned, and from which refusals."""

import pytest

from service import connections
from service.provider.openai.client import speaks_of_jobs_under_way


def test_what_operators_say_and_what_was_learned_both_hold() -> None:
    free: dict[str, float] = {"probe_seconds": 600, "pause_seconds": 10}
    assert connections.Slots().free(7, **free) is None
    assert connections.Slots(said=5).free(7, **free) == 0
    assert connections.Slots(said=5, learned=3, learned_seconds_ago=60).free(1, **free) == 2
    assert connections.Slots(said=5, learned=3, learned_seconds_ago=600).free(1, **free) == 3
    assert connections.Slots(said=3, learned=3, learned_seconds_ago=600).free(1, **free) == 2
    assert connections.Slots(said=0).free(0, **free) == 0
    assert connections.Slots(learned=3, learned_seconds_ago=9).free(0, **free) == 0


@pytest.mark.parametrize(
    ("message", "is_about_jobs"),
    [
        ("This fine-tune request has been rate-limited: 3 of 3 jobs of gpt-4o-mini are active.", True),
        ("This fine-tune request has been rate-limited. You have reached the maximum of 3 active requests.", True),
        ("Too many concurrent fine-tuning jobs.", True),
        ("This fine-tune request has been rate-limited. 8 fine-tuning requests per day are the maximum.", False),
        ("Rate limit reached for requests. Limit: 100 / min.", False),
        ("You have too many active requests.", False),
    ],
)  # fmt: skip
def test_only_a_refusal_about_jobs_at_a_time_teaches(message: str, *, is_about_jobs: bool) -> None:
    assert speaks_of_jobs_under_way(message) == is_about_jobs
