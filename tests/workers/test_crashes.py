"""A worker dies or sleeps at every point of a submission, once each: every job still ends, and there is one of it.

All points at once, each at a job of its own, on one platform. `make faults` plays each of them twenty times and more
(tests/faults/workers.py).
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import _TEMPLATE, Launch
from tests.faults.points import POINTS, WAYS, Case
from tests.faults.rounds import Round, cases
from tests.faults.site import Ground, Site

pytestmark = pytest.mark.timeout(300)  # the round is one fixture

# Shorter still than tests/stack.SETTINGS: what is waited for here is mostly a lease to end.
SETTINGS = {
    "lease_seconds": "1.5",
    "provider_timeout_seconds": "1",
    "quiet_seconds": "2",
    "circuit_failures": "1000",
    "dispatch_seconds": "0.15",
}
CHILDREN = 8
SEED = 0


@pytest.fixture(scope="module")
def played(launch: Launch) -> Iterator[Round]:
    with ExitStack() as cleanup:
        site = Site(Ground(launch.postgres, launch.folder / "crashes", _TEMPLATE), cleanup, settings=SETTINGS)
        site.start(speed=400, concurrency=CHILDREN)
        made = Round(site, [site.submitter()], at_once=2 * len(POINTS))
        made.play(cases(site, [SEED], mixed=False))
        yield made


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_struck_anywhere_leaves_a_job_that_ends(played: Round, point: str, how: str) -> None:
    (case,) = (one for one in played.ended if (one.point, one.how) == (point, how) and one.was_struck)
    assert case.row is not None
    assert case.row.state == "succeeded"


def test_there_is_one_of_each_and_its_bill_is_ours(played: Round) -> None:
    played.site.settle()
    print(played.site.check())


def test_a_case_says_how_to_play_it_again(played: Round) -> None:
    case = Case(played.site, "P5", "KILL", seed=7, fault={"kind": "drop"}, job=played.ended[0].job)
    assert str(case).startswith("P5 KILL seed 7 {'kind': 'drop'} job_")
