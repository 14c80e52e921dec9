"""Letting files at the provider go: copies no job has used for a while, and those that no row refers to."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, or_, select

from service import connections, datasets
from service.jobs import rules
from service.jobs.flows.files import lock_name
from service.jobs.flows.janitor import each_account
from service.jobs.flows.outcomes import pause_after
from service.jobs.models import EXPIRE, Job, ProviderFile
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, worker_for
from service.kit.locks import try_lock
from service.kit.settings import settings
from service.kit.threads import each
from service.kit.work import Claim
from service.provider.errors import ProviderError
from service.provider.openai import gateway
from service.provider.shapes import Credentials, RemoteFile

log = logs.get(__name__)

_STILL_NEEDED_SECONDS: Final = 86_400.0
_ORPHAN_AFTER: Final = timedelta(days=1)  # a file younger than that may belong to a job on its way


def expire(ids: Sequence[UUID]) -> None:
    """Remove those copies of `ids` that no job has used for `provider_file_days`."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, EXPIRE, ids)
    each(claims, _expire_one)


def _expire_one(claimed: Claim) -> None:
    with unit_of_work(worker_for(claimed.team)) as session:
        copy = work.recording(session, ProviderFile, claimed)
        sha256 = datasets.facts(session, claimed.team, copy.dataset_id).sha256
    with try_lock(lock_name(copy.connection_id, rules.file_name(settings().environment, sha256))) as lock:
        if lock is None:
            _look_later(claimed, settings().lock_busy_seconds)
        elif _is_needed(claimed):
            _look_later(claimed, _STILL_NEEDED_SECONDS)
        else:
            _remove(claimed, copy)


def _is_needed(claimed: Claim) -> bool:
    """Under the content's lock: whether somebody has used the copy since it fell due, or a job still trains on it."""
    with unit_of_work(worker_for(claimed.team)) as session:
        copy = work.recording(session, ProviderFile, claimed)
        if copy.last_used_at > clock.now() - timedelta(days=settings().provider_file_days):
            return True
        trains_on_it = or_(
            Job.provider_file_id == copy.provider_file_id, Job.provider_validation_file_id == copy.provider_file_id
        )
        return bool(
            session.scalar(
                select(
                    exists().where(
                        Job.team_id == claimed.team,
                        Job.connection_id == copy.connection_id,
                        trains_on_it,
                        Job.state.not_in(rules.TERMINAL),
                    )
                )
            )
        )


def _remove(claimed: Claim, copy: ProviderFile) -> None:
    """The file there, unless another team has a row for it too; then our row."""
    with unit_of_work(WORKER) as session:
        shared = session.scalar(
            select(ProviderFile.team_id)
            .where(
                ProviderFile.connection_id == copy.connection_id,
                ProviderFile.provider_file_id == copy.provider_file_id,
                ProviderFile.team_id != claimed.team,
            )
            .limit(1)
        )
        credentials = connections.credentials(session, copy.connection_id)
    if not shared:
        try:
            gateway.delete_file(credentials, copy.provider_file_id)
        except ProviderError as error:
            log.warning("file.not_removed", reason=str(error))
            _look_later(claimed, pause_after(error))
            return
    with unit_of_work(worker_for(claimed.team)) as session:
        session.delete(work.recording(session, ProviderFile, claimed))
    log.info("file.removed", provider_file_id=copy.provider_file_id)


def _look_later(claimed: Claim, seconds: float) -> None:
    with unit_of_work(worker_for(claimed.team)) as session:
        work.back_off(work.recording(session, ProviderFile, claimed), seconds=seconds, blameless=True)


def sweep_orphans() -> None:
    """Remove training files of ours that no row refers to: uploaded twice, or by a worker that died at once."""
    before = clock.now() - _ORPHAN_AFTER
    each_account(lambda connection_id, credentials: sweep_account(connection_id, credentials, before=before))


def sweep_account(connection_id: UUID, credentials: Credentials, *, before: datetime) -> None:
    """The same for one account, and files made before an instant."""
    ours = rules.file_name(settings().environment, "").removesuffix(".jsonl")
    old = [one for one in gateway.list_files(credentials) if one.filename.startswith(ours) and one.created_at < before]
    known = _known(connection_id, old)
    for remote in old:
        if remote.id in known:
            continue
        with try_lock(lock_name(connection_id, remote.filename)) as lock:
            if lock is not None and not _known(connection_id, [remote]):
                gateway.delete_file(credentials, remote.id)
                log.info("janitor.orphan_removed", provider_file_id=remote.id)


def _known(connection_id: UUID, remotes: Sequence[RemoteFile]) -> set[str]:
    """Which of them some team's row refers to."""
    with unit_of_work(WORKER) as session:
        rows = session.scalars(
            select(ProviderFile.provider_file_id).where(
                ProviderFile.connection_id == connection_id,
                ProviderFile.provider_file_id.in_([one.id for one in remotes]),
            )
        )
        return set(rows)
