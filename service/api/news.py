"""What is new of a team's jobs and datasets, or of the platform: read in one unit for all who watch at this process."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi.sse import format_sse_event
from sqlalchemy.orm import Session

from service import connections, datasets, jobs
from service.jobs import Cursor
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor, DbRole

EVENTS_MAX: Final = 100  # in a piece: what a stream holds at most until its client has taken it


@dataclass(frozen=True, slots=True)
class Wanted:
    """What those who watch want to know: what follows each cursor, and how each job, dataset and test stands."""

    cursors: frozenset[Cursor]
    jobs: frozenset[UUID]
    datasets: frozenset[UUID]
    preparations: frozenset[UUID]
    tests: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Piece:
    """What a stream sends next, and where it then stands."""

    frames: bytes
    cursor: Cursor
    has_more: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """Pieces by where a stream stands, only where there is one; states of what is not settled yet."""

    pieces: Mapping[Cursor, Piece]
    unsettled: Mapping[UUID, str]


def read(team_id: UUID | None, wanted: Wanted) -> News:
    """All as of one moment; without a team what is the platform's. Raises Unavailable."""
    if team_id is None:
        with read_only(Actor(db_role=DbRole.OPERATOR, name="watch")) as session:
            return News({}, connections.tests_under_way(session, wanted.tests))
    with read_only(Actor(db_role=DbRole.TEAM, name="watch", team_id=team_id)) as session:
        heads = jobs.heads(session, team_id, wanted.jobs | {cursor.job for cursor in wanted.cursors})
        unsettled: dict[UUID, str] = {job: head.state for job, head in heads.items() if not head.is_over}
        if wanted.datasets:
            unsettled |= datasets.under_way(session, team_id, wanted.datasets)
        if wanted.preparations:
            unsettled |= datasets.preparations_under_way(session, team_id, wanted.preparations)
        return News(_pieces(session, team_id, wanted.cursors, heads), unsettled)


def tell_watched(team_id: UUID, seen: Collection[UUID]) -> None:
    """Have workers look sooner at those of these jobs that are the team's. Raises Unavailable."""
    with unit_of_work(Actor(db_role=DbRole.TEAM, name="watch", team_id=team_id)) as session:
        jobs.watch(session, team_id, seen)


def _pieces(
    session: Session, team_id: UUID, cursors: Collection[Cursor], heads: Mapping[UUID, jobs.Head]
) -> dict[Cursor, Piece]:
    known = [cursor for cursor in cursors if cursor.job in heads]
    behind = [cursor for cursor in known if cursor.seq < heads[cursor.job].events]
    events = jobs.events_beyond(session, team_id, behind, limit=EVENTS_MAX)
    pieces = {}
    for cursor in known:
        head, new = heads[cursor.job], events.get(cursor, [])
        reached = Cursor(cursor.job, new[-1].seq if new else cursor.seq)
        has_more = reached.seq < head.events
        frames = b"".join(map(_event, new))
        if head.is_over and not has_more:
            frames += _done(session, team_id, cursor.job)
            pieces[cursor] = Piece(frames, reached, is_last=True)
        elif new:
            pieces[cursor] = Piece(frames, reached, has_more=has_more)
    return pieces


def _event(row: jobs.JobEvent) -> bytes:
    view = jobs.JobEventView.of(row)
    # The provider's word, of which a line break would make two fields.
    return format_sse_event(id=str(view.seq), event=" ".join(view.type.split()), data_str=view.model_dump_json())


def _done(session: Session, team_id: UUID, job_id: UUID) -> bytes:
    view = jobs.JobView.of(jobs.get(session, team_id, ids.show("job", job_id)))
    return format_sse_event(event="done", data_str=view.model_dump_json(by_alias=True))
