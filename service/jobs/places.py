"""Where a job stands among those that wait, over all teams: what its own team may not count, and is told in numbers."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from service import connections, quotas
from service.jobs import fairness
from service.jobs.fairness import Standing
from service.jobs.models import Job
from service.jobs.rules import TO_SUBMIT, State
from service.jobs.schemas import Waiting
from service.kit.settings import settings

# Each part is one range of one partial index: 10,000 jobs that wait are counted in some 10 ms.
_LANE: Final = text("""
    SELECT team_id, sum(waits) AS waiting, sum(holds) AS held, sum(comes_before) AS ahead,
        (SELECT count(*) FROM jobs WHERE slot_at IS NOT NULL AND team_id = :team) AS under_way,
        (SELECT avg(took) FROM (
            SELECT finished_at - submitted_at AS took FROM jobs
            WHERE connection_id = :account AND base_model = :model
                AND finished_at IS NOT NULL AND submitted_at IS NOT NULL
            ORDER BY finished_at DESC LIMIT 50) AS ended) AS mean
    FROM (
        SELECT team_id, 1 AS waits, 0 AS holds,
            (team_id = :team AND (turn_at, id) < (:turn_at, :job))::int AS comes_before
        FROM jobs
        WHERE state = 'queued' AND slot_at IS NULL AND connection_id = :account AND base_model = :model
        UNION ALL
        SELECT team_id, 0, 1, 0 FROM jobs
        WHERE slot_at IS NOT NULL AND connection_id = :account AND base_model = :model
    ) AS lane GROUP BY team_id
""")


def waiting(session_as_worker: Session, job: Job, at: datetime) -> Waiting | None:
    """What the job waits for, its place and when its turn is expected. None for one that is under way or over."""
    if job.state not in TO_SUBMIT:
        return Waiting.by_state(job)
    pause = connections.pauses(session_as_worker).get(job.connection_id)
    found = _place(session_as_worker, job, at) if job.state == State.QUEUED and job.slot_at is None else None
    if pause is not None:
        until = f" It is tried again at {pause.until:%Y-%m-%dT%H:%M:%SZ}." if pause.until else ""
        message = f"Nothing new goes to the provider account: {pause.reason.rstrip('.')}.{until}"
        place = {} if found is None else {"position": found.position, "of": found.of}
        return Waiting(reason="account_paused", message=message, **place)
    return found


def _place(session: Session, job: Job, at: datetime) -> Waiting | None:
    share = quotas.shares(session)
    rows = {
        row.team_id: row
        for row in session.execute(
            _LANE,
            {
                "account": job.connection_id, "model": job.base_model, "team": job.team_id,
                "turn_at": job.turn_at, "job": job.id,
            },
        )
    }  # fmt: skip
    if job.team_id not in rows:
        return None  # since the job was read all of its team's have gone
    standings = {
        team: Standing(int(row.waiting), int(row.held), float(share(team).weight)) for team, row in rows.items()
    }
    own, mine = rows[job.team_id], standings.pop(job.team_id)
    position = fairness.place(mine, ahead=int(own.ahead), others=standings.values())
    of = sum(int(row.waiting) for row in rows.values())
    most = share(job.team_id).concurrent_jobs
    if most is not None and own.under_way >= most:
        message = f"Your team may have {most} jobs under way at a time, and has {own.under_way}."
        return Waiting(reason="team_limit", message=message, position=position, of=of)
    slots = connections.slots(session)(job.connection_id, job.base_model).limit(
        probe_seconds=settings().slots_probe_seconds
    )
    return Waiting(
        reason="turn", message=_turn(job, held=sum(int(row.held) for row in rows.values()), slots=slots),
        position=position, of=of, eta=fairness.expected_at(position, slots=slots, mean=own.mean, now=at),
    )  # fmt: skip


def _turn(job: Job, *, held: int, slots: int | None) -> str:
    taken = f"{held} of {slots} slots for it are taken." if slots is not None else f"{held} are under way."
    return f"Waits for its turn to train {job.base_model}: {taken}"
