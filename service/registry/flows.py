"""Asking the provider whether a model answers: a new one until it does, and each again every `reprobe_seconds`.

"Succeeded" is not "servable": that takes minutes at times. And what answered once may vanish. Only a 404 and a refusal
of the model itself count, several in a row: not a rate limit, an outage or a refused account, which say nothing of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from service import connections, webhooks
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.ids import show
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import Paused
from service.provider.openai import gateway
from service.provider.shapes import Answer
from service.registry import commands, scheduling, versions
from service.registry.models import MOVE, PROBE, AliasSchedule, ModelVersion
from service.registry.rules import REFUSALS_MAX, SILENT_MAX, Source, State, probe_pause_seconds
from service.webhooks import EventType

log = logs.get(__name__)

_NO: Final = frozenset({Answer.GONE, Answer.REFUSED})
_DEFINITE: Final = _NO | {Answer.READY}


def probe(ids: Sequence[UUID]) -> None:
    """Ask for those of `ids` that are due and free, side by side, and note what answers and what does so no more."""
    seconds = settings().provider_timeout_seconds + settings().lease_seconds
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, PROBE, ids, seconds=seconds)
    each(claims, _probe_one)


def _probe_one(claimed: Claim) -> None:
    with logs.bound(model_version=str(claimed.id), team=str(claimed.team)):
        with unit_of_work(worker_for(claimed.team)) as session:
            version = work.recording(session, ModelVersion, claimed)
        with unit_of_work(WORKER) as session:
            credentials = connections.credentials(session, version.connection_id)
        try:
            answer = gateway.answers(credentials, version.provider_model_id)
        except Paused as paused:
            with unit_of_work(worker_for(claimed.team)) as session:
                version = work.recording(session, ModelVersion, claimed)
                work.back_off(version, seconds=paused.retry_after_seconds, blameless=True)
            return
        _record(claimed, version.model_id, answer)
        log.info("registry.probed", answer=answer, attempts=claimed.attempts)


def _record(claimed: Claim, model_id: UUID, answer: Answer) -> None:
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        commands.lock_model(session, claimed.team, model_id)  # before its version, as everybody does
        version = work.recording(session, ModelVersion, claimed)
        at = clock.now()
        if answer in _DEFINITE:
            version.probed_at = at
        if answer == Answer.READY:
            _note_ready(session, version, at)
        elif version.state == State.LOADING and version.source != Source.IMPORT:
            _wait_for(version, answer)
        elif answer not in _NO:
            work.proceed(version, seconds=settings().reprobe_seconds)
        elif version.state != State.UNAVAILABLE and version.attempts < SILENT_MAX:
            work.back_off(version, seconds=probe_pause_seconds(version.attempts, first=settings().probe_seconds))
        else:
            if version.state != State.UNAVAILABLE:
                versions.note_unavailable(session, version, at)
            work.proceed(version, seconds=settings().reprobe_seconds)


def _note_ready(session: Session, version: ModelVersion, at: datetime) -> None:
    was = version.state
    version.state, version.unavailable_since = State.READY, None
    work.proceed(version, seconds=settings().reprobe_seconds)
    if was != State.READY:
        version.ready_at = at
        named = {"id": show("mver", version.id), "model": version.provider_model_id}
        webhooks.publish(session, version.team_id, EventType.MODEL_READY, at, **named)
    if was == State.LOADING:
        commands.keep_promise(session, version, at)


def _wait_for(version: ModelVersion, answer: Answer) -> None:
    """A job has just made it: it may take minutes until it is there."""
    if answer in (Answer.REFUSED, Answer.LOCKED_OUT) and version.attempts >= REFUSALS_MAX:
        work.ask_for_attention(version, "the provider refuses the model to the connection that trained it")
    else:
        work.back_off(version, seconds=probe_pause_seconds(version.attempts, first=settings().probe_seconds))


def move(ids: Sequence[UUID]) -> None:
    """Make those scheduled moves of `ids` that are due and free."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, MOVE, ids)
    each(claims, _move_one)


def _move_one(claimed: Claim) -> None:
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        row = work.recording(session, AliasSchedule, claimed)
        scheduling.carry_out(session, row, clock.now())
