"""Playing many cases at once: each job is submitted while no hint goes out, and played until it has ended."""

import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from itertools import cycle
from typing import Final

import psutil

from tests.faults.clients import Submitter
from tests.faults.points import CREATION_FAULTS, OWN_FAULT, PLAYS, POINTS, WAYS, Acts, Case
from tests.faults.site import Site

_PAUSE_SECONDS: Final = 0.05
_CASE_SECONDS: Final = 180.0
_TRIES: Final = 4


def cases(site: Site, seeds: Sequence[int], *, mixed: bool = True) -> list[Case]:
    """Each point in each way for each seed; mixed, in ten seeds each point meets each fault of creation."""
    made = []
    for seed in seeds:
        for number, point in enumerate(POINTS):
            faults = OWN_FAULT.get(point, CREATION_FAULTS if mixed else [{}])
            made += [Case(site, point, how, seed, faults[(seed + number) % len(faults)]) for how in WAYS]
    random.Random(f"points {list(seeds)}").shuffle(made)
    return made


class Round:
    """Plays cases, many at a time, but never so many that all workers sleep."""

    def __init__(
        self,
        site: Site,
        submitters: Sequence[Submitter],
        *,
        at_once: int,
        tree_kill_every: int | None = None,
        until_created: bool = False,  # a case is over when its job is known to be there, not when it has ended
    ) -> None:
        self.site, self.submitters, self.at_once, self.until_created = site, cycle(submitters), at_once, until_created
        self.tree_kill_every, self.tree_kills, self._begun = tree_kill_every, 0, 0
        self.dispatcher = psutil.Process(site.stack.processes.pid("dispatcher"))
        self.playing: list[tuple[Case, Acts]] = []
        self.ended: list[Case] = []
        self.missed: list[Case] = []
        self.seconds: list[float] = []

    def play(self, waiting: list[Case]) -> None:
        """Until every case's job has ended. A job that no strike reached is played again, with another job."""
        left = deque(waiting)
        while left or self.playing:
            while left and len(self.playing) < self.at_once and self._may_sleep(left[0]):
                self._begin(left.popleft())
            rows = self.site.rows([case.job for case, _ in self.playing])
            for case, acts in list(self.playing):
                case.row = rows.get(case.job)
                next(acts, None)
                if self._is_over(case) and case.sleeper is None:
                    self._end(case, acts, left)
                elif time.monotonic() - case.began > _CASE_SECONDS:
                    raise AssertionError(f"{case} does not end: {case.row}")
            if self.tree_kill_every and self._begun >= self.tree_kill_every * (self.tree_kills + 1):
                self.site.restart_worker()
                self.tree_kills += 1
            time.sleep(_PAUSE_SECONDS)

    def _is_over(self, case: Case) -> bool:
        assert case.row is None or case.row.attention is None, f"{case} waits for a person: {case.row}"
        return case.is_over or (self.until_created and case.row is not None and case.row.provider_job_id is not None)

    @property
    def struck(self) -> Counter[str]:
        """How often a job was struck at each point."""
        return Counter(case.point for case in self.ended if case.was_struck)

    def _may_sleep(self, case: Case) -> bool:
        asleep = sum(one.how == "STOP" and not one.is_over for one, _ in self.playing)
        return case.how == "KILL" or asleep < self.site.concurrency - 3

    def _begin(self, case: Case) -> None:
        """Submit its job and set everything up while no hint goes out."""
        case.tries += 1
        self._begun += 1
        with self.site.asleep([self.dispatcher]):
            case.job = next(self.submitters).accepted()
            case.began = time.monotonic()
            acts = PLAYS[case.point](case)
            next(acts)
        self.playing.append((case, acts))

    def _end(self, case: Case, acts: Acts, left: deque[Case]) -> None:
        acts.close()
        case.let_go()
        self.playing.remove((case, acts))
        self.seconds.append(time.monotonic() - case.began)
        assert case.row is not None
        assert self.until_created or case.row.state == "succeeded", f"{case}: {case.row}"
        self.ended.append(case)
        if case.was_struck:
            return
        if case.tries < _TRIES:
            left.append(Case(case.site, case.point, case.how, case.seed, case.fault, tries=case.tries))
        else:
            self.missed.append(case)
