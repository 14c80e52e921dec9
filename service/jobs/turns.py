"""Turns: which of the jobs that wait may go to the provider now.

A job waits while it is queued without a slot, and is not due. `grant` gives it a slot, which it holds until it has
ended or is queued again. Only one pass runs at a time, in whichever dispatcher: so no lane is given more than it has.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import connections, quotas
from service.jobs import fairness
from service.jobs.fairness import Contender, Lane, Turn
from service.jobs.models import Job, TeamTurn
from service.jobs.rules import TO_SUBMIT, State
from service.kit import work
from service.kit.settings import settings

# Conditions and orders are spelled as ix_jobs_turns has them, so that no pass reads more than what stands in front.
_GATE: Final = text("""
    SELECT CASE WHEN (SELECT id FROM jobs WHERE state = 'queued' AND slot_at IS NULL
                      ORDER BY connection_id, base_model, team_id, turn_at, id LIMIT 1) IS NOT NULL
                THEN pg_try_advisory_xact_lock(hashtextextended('jobs.turns', 0)) END
""")
_LANES: Final = text("""
    WITH RECURSIVE lanes AS (
        (SELECT connection_id, base_model FROM jobs WHERE state = 'queued' AND slot_at IS NULL
         ORDER BY connection_id, base_model LIMIT 1)
        UNION ALL
        SELECT following.* FROM lanes, LATERAL (
            SELECT connection_id, base_model FROM jobs WHERE state = 'queued' AND slot_at IS NULL
                AND (connection_id, base_model) > (lanes.connection_id, lanes.base_model)
            ORDER BY connection_id, base_model LIMIT 1) AS following
    ) SELECT connection_id, base_model FROM lanes
""")
_FIRSTS: Final = text("""
    WITH RECURSIVE teams AS (
        (SELECT team_id FROM jobs WHERE state = 'queued' AND slot_at IS NULL
            AND connection_id = :connection AND base_model = :model
         ORDER BY team_id LIMIT 1)
        UNION ALL
        SELECT following.* FROM teams, LATERAL (
            SELECT team_id FROM jobs WHERE state = 'queued' AND slot_at IS NULL
                AND connection_id = :connection AND base_model = :model AND team_id > teams.team_id
            ORDER BY team_id LIMIT 1) AS following
    ) SELECT team_id, firsts.id, firsts.since FROM teams, LATERAL (
        SELECT id, coalesce(turn_at, created_at) AS since FROM jobs WHERE state = 'queued' AND slot_at IS NULL
            AND connection_id = :connection AND base_model = :model AND team_id = teams.team_id
        ORDER BY turn_at, id LIMIT :most) AS firsts
""")
# Before Postgres has counted a burst of jobs, or with a plan from before it, sorting thousands of them looks cheap.
_BY_INDEX: Final = text("""
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
           set_config('enable_sort', 'off', true)
""")

Known = Callable[[UUID, str], connections.Slots]


def wait(job: Job) -> None:
    """Let a queued job wait for its turn, by its `turn_at`; a slot it had is free again."""
    work.finish(job)
    release(job)


def release(job: Job) -> None:
    """Give the job's slot back, if it has one."""
    job.slot_at = None


@dataclass(frozen=True, slots=True)
class Held:
    """Slots that are held by each team in each lane, and those of them whose jobs are still on their way."""

    slots: Counter[tuple[UUID, str, UUID]]
    entering: Counter[tuple[UUID, str]]

    def in_lane(self, account: UUID, base_model: str) -> int:
        return sum(count for key, count in self.slots.items() if key[:2] == (account, base_model))

    def by(self, team: UUID) -> int:
        return sum(count for key, count in self.slots.items() if key[2] == team)

    def entrance(self, account: UUID) -> int:
        """How many more jobs may be on their way to this account: nobody floods the way into one without limits."""
        return settings().entering_max - sum(count for key, count in self.entering.items() if key[0] == account)


def grant(session_as_worker: Session) -> list[Turn]:
    """Give slots that are free to the jobs whose turn it is, which are due from now on."""
    if not session_as_worker.scalar(_GATE):  # nobody waits, or another dispatcher is at it
        return []
    session_as_worker.execute(_BY_INDEX)
    held, known = _held(session_as_worker), connections.slots(session_as_worker)
    lanes = _open_lanes(session_as_worker, held, known)
    if not lanes:
        return []
    share = quotas.shares(session_as_worker)
    contenders = [one for lane in lanes for one in lane.contenders]
    for one in contenders:
        one.weight = float(share(one.team).weight)
    turns = fairness.share_out(
        lanes,
        entrances={lane.connection: held.entrance(lane.connection) for lane in lanes},
        rooms={
            one.team: most - held.by(one.team)
            for one in contenders
            if (most := share(one.team).concurrent_jobs) is not None
        },
    )
    turns = _take(session_as_worker, turns)
    _mark(session_as_worker, turns)
    _note_probes(session_as_worker, turns, held, known)
    return turns


def _held(session: Session) -> Held:
    on_its_way = func.count().filter(Job.state.in_(TO_SUBMIT), Job.attention.is_(None))
    rows = session.execute(
        select(Job.connection_id, Job.base_model, Job.team_id, func.count().label("held"), on_its_way.label("entering"))
        .where(Job.slot_at.is_not(None))
        .group_by(Job.connection_id, Job.base_model, Job.team_id)
    )
    held = Held(Counter(), Counter())
    for row in rows:
        held.slots[row.connection_id, row.base_model, row.team_id] = row.held
        held.entering[row.connection_id, row.base_model] += row.entering
    return held


def _open_lanes(session: Session, held: Held, known: Known) -> list[Lane]:
    """Lanes in which somebody waits and something is free, with the first who wait."""
    paused = connections.pauses(session)
    lanes = []
    for account, base_model in session.execute(_LANES):
        free = _free(known(account, base_model), held.in_lane(account, base_model))
        most = held.entrance(account) if free is None else min(free, held.entrance(account))
        if account not in paused and most > 0:
            lanes.append(_lane(session, account, base_model, free=free, most=most, held=held))
    return lanes


def _free(slots: connections.Slots, held: int) -> int | None:
    return slots.free(
        held, probe_seconds=settings().slots_probe_seconds, pause_seconds=settings().search_interval_seconds
    )


def _lane(session: Session, account: UUID, base_model: str, *, free: int | None, most: int, held: Held) -> Lane:
    of_lane = (TeamTurn.connection_id == account, TeamTurn.base_model == base_model)
    marks = {row.team_id: row.mark for row in session.execute(select(TeamTurn.team_id, TeamTurn.mark).where(*of_lane))}
    contenders: dict[UUID, Contender] = {}
    firsts = session.execute(_FIRSTS, {"connection": account, "model": base_model, "most": most})
    for row in sorted(firsts, key=lambda row: (row.since, row.id)):
        one = contenders.setdefault(
            row.team_id,
            Contender(
                team=row.team_id, waiting=[], since=row.since, mark=marks.get(row.team_id),
                held=held.slots[account, base_model, row.team_id],
            ),
        )  # fmt: skip
        one.waiting.append(row.id)
    return Lane(
        account, base_model, free, held.entering[account, base_model], list(contenders.values()),
        mark=max(marks.values(), default=0.0),
    )  # fmt: skip


def _take(session: Session, turns: Sequence[Turn]) -> list[Turn]:
    """Write the turns down. A job that somebody holds just now, say to cancel it, is left for the next pass."""
    waiting = (
        select(Job.id)
        .where(Job.id.in_([turn.job for turn in turns]), Job.state == State.QUEUED, Job.slot_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    now = func.clock_timestamp()
    taken = session.scalars(
        update(Job).where(Job.id.in_(waiting)).values(slot_at=now, due_at=now, hinted_at=None).returning(Job.id),
        execution_options={"synchronize_session": False},
    )
    granted = set(taken)
    return [turn for turn in turns if turn.job in granted]


def _mark(session: Session, turns: Sequence[Turn]) -> None:
    marks = {(turn.connection, turn.base_model, turn.team): turn.mark for turn in turns}  # the last of each team's
    if marks:
        names = ("connection_id", "base_model", "team_id", "mark")
        written = insert(TeamTurn).values([dict(zip(names, (*key, mark), strict=True)) for key, mark in marks.items()])
        session.execute(written.on_conflict_do_update(index_elements=names[:3], set_={"mark": written.excluded.mark}))


def _note_probes(session: Session, turns: Sequence[Turn], held: Held, known: Known) -> None:
    """Where more was given than was learned, that is what we know until it is refused."""
    for (account, base_model), count in Counter((turn.connection, turn.base_model) for turn in turns).items():
        learned, now_held = known(account, base_model).learned, held.in_lane(account, base_model) + count
        if learned is not None and now_held > learned:
            connections.learn_slots(session, account, base_model, now_held)


def backlog(session_as_worker: Session) -> Counter[tuple[str, str]]:
    """Jobs that wait, by base model and by what for: `account_paused`, `slots`, all taken, or their `turn`."""
    paused, known = connections.pauses(session_as_worker), connections.slots(session_as_worker)
    held = _held(session_as_worker)
    waiting: Counter[tuple[str, str]] = Counter()
    lanes = (
        select(Job.connection_id, Job.base_model, func.count().label("jobs"))
        .where(Job.state == State.QUEUED, Job.slot_at.is_(None))
        .group_by(Job.connection_id, Job.base_model)
    )
    for row in session_as_worker.execute(lanes):
        free = _free(known(row.connection_id, row.base_model), held.in_lane(row.connection_id, row.base_model))
        reason = "account_paused" if row.connection_id in paused else "slots" if free == 0 else "turn"
        waiting[row.base_model, reason] += row.jobs
    return waiting


def learn_from_refusal(session_as_worker: Session, job: Job) -> None:
    """The account takes no more jobs of this base model: how many it takes is what it has of ours now.

    Jobs whose creation is under way or unknown are counted too. Each of them that is refused teaches anew, with fewer
    under way, so that the last refusal of a rush has it right.
    """
    there = session_as_worker.scalar(
        select(func.count()).where(
            Job.connection_id == job.connection_id,
            Job.base_model == job.base_model,
            Job.slot_at.is_not(None),
            or_(Job.provider_job_id.is_not(None), Job.intent_at.is_not(None)),
            Job.id != job.id,
        )
    )
    connections.learn_slots(session_as_worker, job.connection_id, job.base_model, there or 0)
