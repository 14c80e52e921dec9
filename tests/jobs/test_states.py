"""No illegal arrow, no terminal state left: under any interleaving of provider answers, user calls and crashes.

Hypothesis plays the users, the clock, the provider and as many workers as it likes. A worker is a generator that takes
the flow's own steps one after the other, so that anything may happen between two of them; it dies by being left alone.
The provider's answers are arbitrary: wrong, late, twice, backwards. After each move everything that was promised of a
job's history and money is looked up in Postgres itself.
"""

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import namedtuple_row
from sqlalchemy.orm import Session

from service import jobs, quotas
from service.datasets import flows as dataset_flows
from service.jobs.models import Job
from service.jobs.rules import ARROWS, BEFORE_PROVIDER, TERMINAL, TO_FOLLOW, TO_PREPARE, State
from service.kit import clock, ids, work
from service.kit.db import unit_of_work
from service.kit.errors import TuneplaneError, Unavailable
from service.kit.identity import CLI, WORKER, Actor
from tests.conftest import Launch
from tests.jobs.factories import Desk, an_account
from tests.jobs.stepping import ANSWERS, GOOD, WORK, Move, Worker, numbers
from tests.stack import conversations
from tests.tenancy.world import admin_url


class Lives(RuleBasedStateMachine):
    """One job, perhaps retried, and everybody who has to do with it."""

    ready: ClassVar[dict[Desk, UUID]]
    spare: ClassVar[str]
    postgres: ClassVar[psycopg.Connection[Any]]

    def __init__(self) -> None:
        super().__init__()
        self.workers: list[Worker] = []
        self.ours: list[Job] = []
        self.unchecked: UUID | None = None
        self.seen: Any = None  # the newest job, as Postgres had it after the last move

    @initialize(
        careful=st.booleans(),
        data=st.sampled_from(["checked"] * 6 + ["unchecked", "broken"]),
        steps=st.sampled_from([0, 3, 5, 6, 8, 10]),
    )
    def submit(self, *, careful: bool, data: str, steps: int) -> None:
        """A job that has come so many steps without trouble: 5 to the call that creates it, 8 to training."""
        self.desk = list(self.ready)[careful]
        dataset = self.ready[self.desk]
        if data != "checked":
            content = conversations(12, f"{data} {next(numbers)}")
            dataset = self.desk.shelf.put(content if data == "unchecked" else content[:-9])
            self.unchecked = dataset
        self.ours = [self.desk.submit(dataset, register={"name": "keeper"})]
        for _ in range(steps):
            self.step_without_trouble()

    def step_without_trouble(self) -> None:
        if self.unchecked:
            self.data_is_checked()
        elif self.state == State.AWAITING_APPROVAL:
            self.ask(jobs.approve, name="second")
        elif self.workers:
            self.go_on(self.workers[0], GOOD[self.workers[0].asks])
        else:
            self.worker_takes_it(lapsed=False)

    @property
    def job(self) -> Job:
        """The newest one; what it was when submitted."""
        return self.ours[-1]

    @property
    def state(self) -> State:
        """Where it stands now."""
        (state,) = self.postgres.execute("SELECT state FROM jobs WHERE id = %s", [self.job.id]).fetchone() or ("",)
        return State(state)

    def ask(self, verb: Callable[..., Job], *about: Any, name: str = "test", role: str = "member") -> None:
        """They may be told no, in words, but not that the database cannot keep up."""
        actor = replace(self.desk.actor, name=name, role=role)
        try:
            with unit_of_work(actor) as session:
                made = verb(session, actor, ids.show("job", self.job.id), *about, clock.now())
        except Unavailable:
            raise
        except TuneplaneError:
            return
        if made.id != self.job.id:
            self.ours.append(made)

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        """One rule for all: left to choose among many, Hypothesis would try only a few kinds of move at a time."""
        move = data.draw(st.sampled_from(self.possible()), label="move")
        move(data)

    def possible(self) -> list[Move]:
        """What may come next, the likelier the oftener it is named: for the most part, work."""
        state = self.seen.state
        weights: dict[Move, int] = {
            self.somebody_asks_for_anything: 1,
            self.worker_goes_on: 6 if self.workers else 0,
            self.worker_dies: 1 if self.workers else 0,
            self.worker_comes: 0 if state in TERMINAL else 2,
            self.user_cancels: 0 if state in TERMINAL | {State.CANCELLING} else 1,
            self.user_retries: 2 if state in TERMINAL else 0,
            self.user_pauses_or_resumes: 1 if state in TO_FOLLOW else 0,
            self.second_user_decides: 2 if state == State.AWAITING_APPROVAL else 0,
            self.nobody_has_decided: 1 if state == State.AWAITING_APPROVAL else 0,
            self.operator_moves_it: 1 if state in BEFORE_PROVIDER else 0,
            self.operator_gives_it_up: 2 if self.seen.attention else 0,
            self.data_is_checked: 2 if self.unchecked else 0,
        }
        return [move for move, weight in weights.items() for _ in range(weight)]

    def user_cancels(self, _: object = None) -> None:
        self.ask(jobs.cancel)

    def user_retries(self, _: object = None) -> None:
        self.ask(jobs.retry)

    def user_pauses_or_resumes(self, data: st.DataObject) -> None:
        self.ask(data.draw(st.sampled_from([jobs.pause, jobs.resume])))

    def second_user_decides(self, data: st.DataObject) -> None:
        self.ask(data.draw(st.sampled_from([jobs.approve, jobs.decline])), name="second")

    def operator_moves_it(self, _: object = None) -> None:
        self.ask(jobs.move, self.spare, role="operator")

    def operator_gives_it_up(self, _: object = None) -> None:
        self.ask(give_up, role="operator")

    def somebody_asks_for_anything(self, data: st.DataObject) -> None:
        verbs = [jobs.cancel, jobs.pause, jobs.retry, jobs.approve, jobs.decline]
        self.ask(data.draw(st.sampled_from(verbs)), name=data.draw(st.sampled_from(["test", "second"])))

    def data_is_checked(self, _: object = None) -> None:
        assert self.unchecked
        dataset_flows.validate([self.unchecked])
        self.unchecked = None

    def nobody_has_decided(self, _: object = None) -> None:
        self.postgres.execute(
            "UPDATE jobs SET approval_expires_at = now() - interval '1 s' WHERE id = %s", [self.job.id]
        )

    def worker_comes(self, data: st.DataObject) -> None:
        self.worker_takes_it(lapsed=data.draw(st.booleans(), label="lapsed"))

    def worker_takes_it(self, *, lapsed: bool) -> None:
        """The next look at it is due; `lapsed`: somebody else's lease has run out, though he may live."""
        kind = next((kind for kind in WORK if self.state in kind.states), None)
        if kind is None:
            return
        self.postgres.execute(
            "UPDATE jobs SET due_at = now() - interval '1 s', lease_until = CASE WHEN %s THEN NULL ELSE lease_until END"
            " WHERE id = %s AND due_at IS NOT NULL",
            [lapsed, self.job.id],
        )
        self.postgres.execute("DELETE FROM connection_slots")  # what was learned of the account fades with time
        with unit_of_work(WORKER) as session:
            jobs.grant_turns(session)
        with unit_of_work(WORKER) as session:
            claims = work.claim(session, kind, [self.job.id])
        for claimed in claims:
            worker = Worker.begin(WORK[kind](claimed))
            if worker:
                self.workers.append(worker)

    def worker_goes_on(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers), label="worker")
        self.go_on(worker, data.draw(ANSWERS[worker.asks], label=worker.asks))

    def worker_dies(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers), label="worker")
        worker.steps.close()
        self.workers.remove(worker)

    def go_on(self, worker: Worker, answer: Any) -> None:
        if not worker.goes_on(answer):
            self.workers.remove(worker)

    # ------------------------------------------------------------------------------------------------------- promises
    @invariant()
    def history_and_money_are_as_promised(self) -> None:
        rows = self.postgres.execute(_LOOK, [[job.id for job in self.ours]]).fetchall()
        assert len(rows) == len(self.ours)
        for row in rows:
            check(row)
        self.seen = rows[-1]

    def teardown(self) -> None:
        """The next example has the world to itself."""
        for worker in self.workers:
            worker.steps.close()
        self.postgres.execute(
            "UPDATE jobs SET state = 'cancelled', slot_at = NULL, due_at = NULL WHERE id = ANY(%s)",
            [[job.id for job in self.ours]],
        )


def give_up(session: Session, operator: Actor, job: str, at: datetime) -> Job:
    return jobs.give_up(session, operator, job, trained_tokens=100, reason="Enough.", at=at)


_LOOK: Final = """
    SELECT job.state, job.attention, job.events_count, reservation.state AS money,
           job.price_id IS NOT NULL AS priced, job.slot_at IS NOT NULL AS slot,
           job.finished_at IS NOT NULL AS finished, job.cost IS NOT NULL AS billed,
           (SELECT array_agg(seq ORDER BY seq) FROM job_events WHERE job_id = job.id) AS numbers,
           (SELECT array_agg(data ->> 'state' ORDER BY seq) FROM job_events
            WHERE job_id = job.id AND type = 'state') AS path,
           (SELECT bool_and(reserved = (
                SELECT coalesce(sum(amount), 0) FROM reservations AS held
                WHERE held.state = 'held' AND (held.team_id, held.month) = (months.team_id, months.month)))
            FROM budget_months AS months WHERE months.team_id = job.team_id) AS adds_up
    FROM jobs AS job LEFT JOIN reservations AS reservation ON reservation.job_id = job.id
    WHERE job.id = ANY(%s) ORDER BY job.id
"""
HAS_A_SLOT: Final = frozenset(State) - TERMINAL - TO_PREPARE - {State.QUEUED}


def check(row: Any) -> None:
    """One job as Postgres has it."""
    assert row.numbers == list(range(1, row.events_count + 1)), "numbers have gaps"
    path = [State(state) for state in row.path]
    start = [] if path[0] == State.WAITING_FOR_DATASET else [State.WAITING_FOR_DATASET]
    for state, following_one in itertools.pairwise([*start, *path]):
        assert following_one in ARROWS[state], f"{state} → {following_one} in {path}"
    assert path[-1] == row.state, "the history ends elsewhere"
    over = row.state in TERMINAL
    assert (row.finished, row.billed) == (over, over)
    assert (row.money == "held") is (row.priced and not over), f"money is {row.money} when {row.state}"
    assert row.adds_up, "a month's reserved is not the sum of what is held"
    assert not (row.slot and over), "a slot is kept for ever"
    assert row.slot or row.state not in HAS_A_SLOT, f"{row.state} without a slot"


@contextmanager
def silence() -> Iterator[None]:
    """Thousands of warnings that nobody reads cost more than what they tell of."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def world(launch: Launch) -> Iterator[None]:
    """A database in which no lease runs out by itself: a slow machine must not change what Hypothesis sees."""
    with ExitStack() as cleanup:
        stack = launch(cleanup, settings={"lease_seconds": "3600", "unit_seconds": "30"})
        plain, careful = Desk("1000000"), Desk("1000000")
        with unit_of_work(CLI) as session:
            quotas.set_team_limits(session, CLI, careful.team, quotas.LimitsSet(approval_above="0"))
        Lives.ready = {desk: desk.shelf.checked(conversations(12)) for desk in (plain, careful)}
        Lives.spare = an_account("spare")
        cleanup.enter_context(silence())
        login = psycopg.connect(admin_url(stack), autocommit=True, row_factory=namedtuple_row)
        Lives.postgres = cleanup.enter_context(login)
        yield


@pytest.mark.usefixtures("world")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("lives", [40, pytest.param(1000, marks=pytest.mark.faults)])
def test_no_illegal_arrow_no_terminal_state_left_and_money_where_it_belongs(lives: int) -> None:
    settings = hypothesis_settings(
        max_examples=lives, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Lives, settings=settings)
