"""A dataset's copy at the provider: uploaded once an account, found again after a crash by its name, its hash."""

import tempfile
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from service import datasets
from service.jobs.flows.orders import Order
from service.jobs.models import ProviderFile
from service.kit import storage
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.locks import try_lock
from service.provider.openai import gateway


class UploadUnderWay(Exception):
    """Another worker is uploading the same dataset to the same account."""


def upload(order: Order, dataset_id: UUID) -> str:
    """The provider's id of the dataset's copy, uploaded if there is none. Raises UploadUnderWay or ProviderError."""
    known = _known(order, dataset_id)
    if known is not None:
        return known
    with try_lock(f"file:{order.job.connection_id}:{dataset_id}") as lock:
        if lock is None:
            raise UploadUnderWay
        return _known(order, dataset_id) or _find_or_create(order, dataset_id)


def _known(order: Order, dataset_id: UUID) -> str | None:
    with unit_of_work(worker_for(order.claim.team)) as session:
        return session.scalar(
            select(ProviderFile.provider_file_id).where(
                ProviderFile.team_id == order.claim.team,
                ProviderFile.connection_id == order.job.connection_id,
                ProviderFile.dataset_id == dataset_id,
            )
        )


def _find_or_create(order: Order, dataset_id: UUID) -> str:
    """Under the file's lock. A duplicate would cost nothing, so one look suffices before uploading."""
    with unit_of_work(worker_for(order.claim.team)) as session:
        facts = datasets.facts(session, order.claim.team, dataset_id)
    filename = f"{facts.sha256[:40]}.jsonl"
    found = gateway.find_files(order.credentials, filename=filename, size=facts.bytes)
    if found:
        remote = found[0]
    else:
        # On disk, because a multipart body must know its length and our object may live in a bucket.
        with tempfile.TemporaryFile() as content:
            for chunk in storage.read(facts.storage_key):
                content.write(chunk)
            content.seek(0)
            remote = gateway.create_file(order.credentials, filename=filename, content=content)
    with unit_of_work(worker_for(order.claim.team)) as session:
        session.execute(
            insert(ProviderFile)
            .values(
                team_id=order.claim.team,
                connection_id=order.job.connection_id,
                dataset_id=dataset_id,
                provider_file_id=remote.id,
            )
            .on_conflict_do_nothing()
        )
    return remote.id
