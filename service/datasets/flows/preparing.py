"""Examining files for what would make examples of them: claim, read from storage, record."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from service.datasets import preparations
from service.datasets.flows.leases import Held
from service.datasets.flows.received import NotAsReceived, received
from service.datasets.models import PREPARE, Preparation
from service.datasets.preparations import Examining
from service.datasets.rules.preparing import CannotBePrepared, examine
from service.kit import clock, logs
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings
from service.kit.threads import one_by_one
from service.kit.work import Claim

log = logs.get(__name__)


def prepare(ids: Sequence[UUID]) -> None:
    """Examine those of `ids` that are due and free, one after the other."""
    one_by_one(PREPARE, ids, _prepare_one)


def _prepare_one(claimed: Claim) -> None:
    with logs.bound(preparation=str(claimed.id), team=str(claimed.team)):
        with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
            examining = preparations.begin(session, claimed, clock.now())
        if examining is not None:
            _examine(examining)


def _examine(examining: Examining) -> None:
    claimed, dataset = examining.claim, examining.dataset
    started = clock.monotonic()

    def read() -> Iterator[bytes]:
        return received(dataset, Held(claimed, Preparation))

    found, problem = None, None
    try:
        found = examine(read, dataset.filename, examining.wish).as_json()
    except CannotBePrepared as refusal:
        problem = {"code": refusal.code, "message": refusal.message}
    except FileNotFoundError:
        return _give_up(claimed, "the stored file is gone")
    except NotAsReceived:
        return _give_up(claimed, "the stored file is not what was received")
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        preparations.conclude(session, claimed, findings=found, problem=problem)
    log.info(
        "dataset.examined",
        refused=problem["code"] if problem else None,
        rows=found["rows"] if found else None,
        steps=len(found["steps"]) if found else 0,
        seconds=round(clock.monotonic() - started, 2),
    )
    return None


def _give_up(claimed: Claim, reason: str) -> None:
    log.error("dataset.preparation_given_up", reason=reason)
    with unit_of_work(worker_for(claimed.team), seconds=settings().worker_unit_seconds) as session:
        preparations.give_up(session, claimed, reason)
