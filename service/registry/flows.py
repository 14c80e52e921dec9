"""Asking the provider whether a new model answers yet. "Succeeded" is not "servable": that takes minutes at times."""

from collections.abc import Sequence
from uuid import UUID

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
from service.registry import commands
from service.registry.models import PROBE, ModelVersion
from service.registry.rules import REFUSALS_MAX, State, probe_pause_seconds
from service.webhooks import EventType

log = logs.get(__name__)


def probe(ids: Sequence[UUID]) -> None:
    """Ask for those of `ids` that are due and free, side by side, and mark as ready what answers."""
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
        _record(claimed, answer)
        log.info("registry.probed", answer=answer, attempts=claimed.attempts)


def _record(claimed: Claim, answer: Answer) -> None:
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        version = work.recording(session, ModelVersion, claimed)
        if answer == Answer.READY:
            version.state = State.READY
            version.ready_at = clock.now()
            work.finish(version)
            named = {"id": show("mver", version.id), "model": version.provider_model_id}
            webhooks.publish(session, claimed.team, EventType.MODEL_READY, version.ready_at, **named)
            commands.keep_promise(session, version, version.ready_at)
        elif answer == Answer.REFUSED and version.attempts >= REFUSALS_MAX:
            work.ask_for_attention(version, "the provider refuses the model to the connection that trained it")
        else:
            pause = probe_pause_seconds(version.attempts, first=settings().probe_seconds)
            work.back_off(version, seconds=pause)
