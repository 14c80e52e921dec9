"""A dataset's copy at the provider: uploaded once an account and content, and found again by its name.

Its name carries the content's hash and our environment: staging and production may share an account, and neither tidies
up after the other. Teams with the same content share the one file there, each with a row of its own.
"""

import tempfile
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from service import datasets
from service.jobs.flows.orders import Order, call_lease
from service.jobs.models import PRESENT, Job, ProviderFile
from service.jobs.rules import file_name
from service.kit import storage, work
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.locks import try_lock
from service.kit.settings import settings
from service.provider.openai import gateway


class UploadUnderWay(Exception):
    """Another worker has the same content in its hands, at the same account."""


def upload(order: Order, dataset_id: UUID) -> str:
    """The provider's id of the dataset's copy, uploaded if there is none. Raises UploadUnderWay or ProviderError."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        facts = datasets.facts(session, order.claim.team, dataset_id)
    with try_lock(lock_name(order.job.connection_id, file_name(settings().environment, facts.sha256))) as lock:
        if lock is None:
            raise UploadUnderWay
        return _known(order, dataset_id) or _find_or_create(order, facts)


def lock_name(connection_id: UUID, filename: str) -> str:
    """Of the lock under which one content is uploaded to an account, found there, or removed."""
    return f"file:{connection_id}:{filename}"


def _known(order: Order, dataset_id: UUID) -> str | None:
    """The copy we know of, if it is still there: one that nobody looked at for a while may have been removed."""
    trusted = func.now() - timedelta(seconds=settings().provider_file_trust_seconds)
    with unit_of_work(worker_for(order.claim.team)) as session:
        row = session.execute(
            select(ProviderFile.provider_file_id, (ProviderFile.last_used_at > trusted).label("is_trusted")).where(
                ProviderFile.team_id == order.claim.team,
                ProviderFile.connection_id == order.job.connection_id,
                ProviderFile.dataset_id == dataset_id,
                PRESENT,
            )
        ).one_or_none()
    if row is None or not (row.is_trusted or gateway.has_file(order.credentials, row.provider_file_id)):
        return None
    _remember(order, dataset_id, row.provider_file_id)
    return str(row.provider_file_id)


def _find_or_create(order: Order, facts: datasets.DatasetFacts) -> str:
    """Under the content's lock. A duplicate would cost nothing, so one look suffices before uploading."""
    filename = file_name(settings().environment, facts.sha256)
    found = gateway.find_files(order.credentials, filename=filename, size=facts.bytes)
    if found:
        remote = found[0]
    else:
        # On disk, because a multipart body must know its length and our object may live in a bucket.
        with tempfile.TemporaryFile() as content:
            for chunk in storage.read(facts.storage_key):
                content.write(chunk)
            content.seek(0)
            remote = gateway.create_file(
                order.credentials, filename=filename, content=content, size=facts.bytes, alive=lambda: _hold_on(order)
            )
    _remember(order, facts.id, remote.id)
    return remote.id


def _hold_on(order: Order) -> None:
    """A large upload takes longer than a lease. Raises StaleClaim when the job is somebody else's by now."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        work.renew(session, Job, order.claim, seconds=call_lease())


def _remember(order: Order, dataset_id: UUID, provider_file_id: str) -> None:
    """The copy is there and in use from now on; it is looked at again when it may be let go."""
    used = {
        "provider_file_id": provider_file_id,
        "last_used_at": func.now(),
        "due_at": func.now() + timedelta(days=settings().provider_file_days),
    }
    with unit_of_work(worker_for(order.claim.team)) as session:
        row = insert(ProviderFile).values(
            team_id=order.claim.team, connection_id=order.job.connection_id, dataset_id=dataset_id, **used
        )
        row = row.on_conflict_do_update(
            index_elements=["team_id", "connection_id", "dataset_id"], index_where=PRESENT, set_=used
        )
        copy_id = session.scalars(row.returning(ProviderFile.id)).one()
        datasets.note_copy(session, order.claim.team, dataset_id, copy_id)
