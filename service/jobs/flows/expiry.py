"""Letting files at the provider go: copies no job has used for a while or whose dataset is deleted, and orphans."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, or_, select, update

from service import audit, connections, datasets
from service.jobs import rules
from service.jobs.flows.files import lock_name
from service.jobs.flows.janitor import each_account
from service.jobs.flows.outcomes import pause_after
from service.jobs.models import EXPIRE, PRESENT, Job, ProviderFile
from service.kit import clock, ids, logs, work
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
_ERASED_AT_ONCE: Final = 1000
_RETRIED_WITHIN: Final = timedelta(hours=1)
_ORPHAN_AFTER: Final = timedelta(days=1)  # a file younger than that may belong to a job on its way


def wake_erased() -> None:
    """Have the copies of datasets that are being erased looked at now; the last one gone ends it."""
    with unit_of_work(WORKER) as session:
        wanted = datasets.copies_to_remove(session, limit=_ERASED_AT_ONCE)
        session.execute(
            update(ProviderFile)
            .where(ProviderFile.id.in_(wanted), PRESENT, work.unheld(ProviderFile))
            .where(ProviderFile.due_at > func.clock_timestamp() + _RETRIED_WITHIN)  # one that failed comes back itself
            .values(due_at=func.clock_timestamp(), hinted_at=None),
            execution_options={"synchronize_session": False},
        )


def expire(copies: Sequence[UUID]) -> None:
    """Remove those of `copies` whose dataset is deleted, or that no job has used for `provider_file_days`."""
    with unit_of_work(WORKER) as session:
        claims = work.claim(session, EXPIRE, copies)
    each(claims, _expire_one)


def _expire_one(claimed: Claim) -> None:
    with unit_of_work(worker_for(claimed.team)) as session:
        copy = work.recording(session, ProviderFile, claimed)
        dataset = datasets.facts(session, claimed.team, copy.dataset_id)
    with try_lock(lock_name(copy.connection_id, rules.file_name(settings().environment, dataset.sha256))) as lock:
        if lock is None:
            _look_later(claimed, settings().lock_busy_seconds)
        elif dataset.state != datasets.State.ARCHIVED and _is_needed(claimed):
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
    """The file there, unless another row refers to it too, of this team or another; then ours says so."""
    with unit_of_work(WORKER) as session:
        shared = session.scalar(
            select(ProviderFile.team_id)
            .where(
                ProviderFile.connection_id == copy.connection_id,
                ProviderFile.provider_file_id == copy.provider_file_id,
                ProviderFile.id != claimed.id,
                PRESENT,
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
        row = work.recording(session, ProviderFile, claimed)
        row.state, row.removed_at = "removed", clock.now()
        work.finish(row)
        datasets.copy_gone(session, row.team_id, row.dataset_id, row.id)
        audit.record(
            session, worker_for(claimed.team), "dataset.copy_removed", object_type="dataset",
            object_id=ids.show("dset", row.dataset_id),
            after={"connection": ids.show("conn", row.connection_id), "provider_file_id": row.provider_file_id},
        )  # fmt: skip
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
                PRESENT,
            )
        )
        return set(rows)
