"""Trying an account because somebody asked: one call that costs nothing, whatever its circuits say."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from service.connections import queries
from service.connections.models import TEST, ConnectionTest
from service.connections.rules import TestFailure, TestState
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.sealing import SealingError
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import AccountRefused, Paused, ProviderError, RateLimited, Refused
from service.provider.openai import gateway

log = logs.get(__name__)


def test(ids: Sequence[UUID]) -> None:
    """Try the accounts of those of `ids` that are due and free, side by side, and write what came of it."""
    seconds = settings().provider_timeout_seconds + settings().lease_seconds
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, TEST, ids, seconds=seconds)
    each(claims, _test_one)


def _test_one(claimed: Claim) -> None:
    began = clock.monotonic()
    try:
        with unit_of_work(WORKER) as session:
            row = work.recording(session, ConnectionTest, claimed)
            credentials = queries.credentials(session, row.connection_id)
        models = len(gateway.model_ids(credentials))
    except Paused as paused:  # by the account's pace alone: no circuit is asked
        with unit_of_work(WORKER) as session:
            row = work.recording(session, ConnectionTest, claimed)
            work.back_off(row, seconds=paused.retry_after_seconds, blameless=True)
    except (ProviderError, SealingError) as error:
        log.warning("connection.test_failed", test=str(claimed.id), reason=str(error))
        _record(claimed, began, state=TestState.FAILED, code=_failure(error), message=str(error))
    else:
        _record(claimed, began, state=TestState.PASSED, models=models)


def _record(claimed: Claim, began: float, **outcome: object) -> None:
    milliseconds = round((clock.monotonic() - began) * 1000)
    with unit_of_work(WORKER) as session:
        row = work.recording(session, ConnectionTest, claimed)
        for name, value in outcome.items():
            setattr(row, name, value)
        row.milliseconds, row.finished_at = milliseconds, clock.now()
        work.finish(row)
        session.execute(select(func.pg_notify("connections_tested", str(row.id))))


def _failure(error: Exception) -> TestFailure:
    match error:
        case SealingError():
            return TestFailure.KEY_UNREADABLE
        case AccountRefused():
            return TestFailure.REFUSED
        case RateLimited():
            return TestFailure.RATE_LIMITED
        case Refused():
            return TestFailure.NOT_AN_API
        case _:
            return TestFailure.UNREACHABLE
