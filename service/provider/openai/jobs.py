"""Fine-tuning jobs at a provider: create, find, follow, end. One try each."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from openai import omit
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from service.provider.openai.client import client, translated
from service.provider.openai.told import instant, storable, text, word
from service.provider.shapes import SUBMISSION_KEY, Credentials, JobOrder, RemoteEvent, RemoteJob

_PAGE: Final = 100


def create_job(credentials: Credentials, order: JobOrder) -> RemoteJob:
    """Create the job, once. Raises Unknown when it may exist nevertheless."""
    chosen = {
        name: float(value) if isinstance(value, Decimal) else value for name, value in order.hyperparameters.items()
    }
    # Plain dicts: the SDK types a multi grader's parts as one grader, the service takes them by name.
    method: Any = {"type": order.method, order.method: {"hyperparameters": chosen, **order.beside}}
    integrations: Any = list(order.integrations)
    with translated(credentials, "create"):
        return _job(
            client(credentials).fine_tuning.jobs.create(
                model=order.model,
                training_file=order.training_file,
                validation_file=order.validation_file or omit,
                method=method,
                suffix=order.suffix or omit,
                seed=order.seed,
                metadata={**order.metadata, SUBMISSION_KEY: order.key},
                integrations=integrations or omit,
                extra_headers={"Idempotency-Key": order.key},  # not known to be honoured; harmless
            )
        )


def find_jobs(
    credentials: Credentials, *, key: str, training_file: str, seed: int, created_since: datetime
) -> list[RemoteJob]:
    """Jobs that carry our key.

    Where the server dropped the metadata, recent ones of the same file and seed. Oldest first.
    """
    with translated(credentials):
        jobs = client(credentials).fine_tuning.jobs
        # Not every server of this wire format filters by metadata: one that does not would send all it ever had.
        shown = (_job(one) for one in jobs.list(limit=_PAGE, metadata={SUBMISSION_KEY: key}))
        by_key = list(_while_recent(shown, created_since))
        found = [one for one in by_key if one.key == key]
        if not found:
            recent = _while_recent((_job(one) for one in jobs.list(limit=_PAGE)), created_since)
            found = [
                one for one in recent
                if one.key == key or (one.key is None and one.training_file == training_file and one.seed == seed)
            ]  # fmt: skip
    return sorted(found, key=lambda one: (one.created_at, one.id))


def _while_recent(newest_first: Iterable[RemoteJob], since: datetime) -> Iterator[RemoteJob]:
    for one in newest_first:
        if one.created_at < since:
            return
        yield one


def list_jobs(credentials: Credentials, *, wanted: Collection[str], created_since: datetime) -> dict[str, RemoteJob]:
    """What the account's list shows, by id, as far back as is worth reading for those `wanted`: a hundred a call.

    Reads from the newest back until all are found, everything older is older than `created_since`, or as many pages in
    a row have shown none as there are left to find: one by one they cost no more than what was spent in vain.
    """
    found: dict[str, RemoteJob] = {}
    left, barren = set(wanted), 0
    with translated(credentials):
        page = client(credentials).fine_tuning.jobs.list(limit=_PAGE)
        while True:
            shown = {one.id: one for one in map(_job, page.data)}
            barren = barren + 1 if left.isdisjoint(shown) else 0
            left -= shown.keys()
            found |= shown
            is_past = any(one.created_at < created_since for one in shown.values())
            if len(left) <= barren or is_past or not page.has_next_page():
                return found
            page = page.get_next_page()


def recent_jobs(credentials: Credentials, *, created_since: datetime) -> list[RemoteJob]:
    """All jobs of the account from the newest back to that instant."""
    with translated(credentials):
        newest_first = (_job(one) for one in client(credentials).fine_tuning.jobs.list(limit=_PAGE))
        return list(_while_recent(newest_first, created_since))


def get_job(credentials: Credentials, job_id: str) -> RemoteJob:
    """The job as it stands."""
    with translated(credentials):
        return _job(client(credentials).fine_tuning.jobs.retrieve(job_id))


def cancel_job(credentials: Credentials, job_id: str) -> RemoteJob:
    """Ask for the job's end; what comes of it is what the answer, or a later look, says."""
    with translated(credentials):
        return _job(client(credentials).fine_tuning.jobs.cancel(job_id))


def pause_job(credentials: Credentials, job_id: str) -> RemoteJob:
    """Ask for training to stand still; what comes of it is what the answer, or a later look, says."""
    with translated(credentials):
        return _job(client(credentials).fine_tuning.jobs.pause(job_id))


def resume_job(credentials: Credentials, job_id: str) -> RemoteJob:
    """Ask for training to go on from its snapshot; what comes of it is what the answer, or a later look, says."""
    with translated(credentials):
        return _job(client(credentials).fine_tuning.jobs.resume(job_id))


def new_events(
    credentials: Credentials,
    job_id: str,
    *,
    known: Callable[[Collection[str]], Collection[str]] = lambda _: (),
    to_the_beginning: bool = False,
) -> list[RemoteEvent]:
    """Events whose fingerprints are not among those that `known` picks out, oldest first.

    Reads back page by page until a whole page is known, whatever order they come in; `to_the_beginning` reads all
    pages, and finds what was told late. A page that repeats what was read is the last: at Azure, where ids change from
    call to call, paging starts anew (openai-python#938).
    """
    told: dict[str, RemoteEvent] = {}
    known_ones: set[str] = set()
    with translated(credentials):
        page = client(credentials).fine_tuning.jobs.list_events(job_id, limit=_PAGE)
        while True:
            unread = {one.fingerprint: one for one in map(_event, page.data) if one.fingerprint not in told}
            told |= unread
            known_here = set(known(unread.keys())) if unread else set()
            known_ones |= known_here
            is_known = known_here >= unread.keys()
            if not unread or (is_known and not to_the_beginning) or not page.has_next_page():
                break
            page = page.get_next_page()
    oldest_first = [one for fingerprint, one in told.items() if fingerprint not in known_ones][::-1]
    return sorted(oldest_first, key=lambda one: one.created_at)  # those of one second stay as they were told


def _job(told: FineTuningJob) -> RemoteJob:
    error = told.error if told.error and told.error.code else None  # an empty object parses as truthy
    return RemoteJob(
        id=text(told.id),
        status=text(told.status),
        model=told.model,
        created_at=instant(told.created_at),
        training_file=told.training_file,
        seed=told.seed,
        key=(told.metadata or {}).get(SUBMISSION_KEY),
        fine_tuned_model=told.fine_tuned_model,
        trained_tokens=told.trained_tokens,
        epochs=_epochs(told),
        finished_at=instant(told.finished_at) if told.finished_at else None,
        estimated_finish=instant(told.estimated_finish) if told.estimated_finish else None,  # 0 means unknown
        error_code=word(error.code) if error else None,
        error_message=storable(error.message) if error else None,
        error_param=word(error.param) if error else None,
        result_files=tuple(text(storable(one)) for one in told.result_files or ()),
    )


def _epochs(told: FineTuningJob) -> int | None:
    """The epochs as resolved: under `method` (the only place for DPO and RFT), else in the deprecated field."""
    supervised = told.method.supervised if told.method else None
    for parameters in (supervised.hyperparameters if supervised else None, told.hyperparameters):
        if parameters is not None and isinstance(parameters.n_epochs, int):
            return parameters.n_epochs
    return None


def _event(told: FineTuningJobEvent) -> RemoteEvent:
    data = told.data if isinstance(told.data, dict) else {}
    return RemoteEvent(
        id=told.id,
        created_at=instant(told.created_at),
        level=word(told.level) or "info",
        type=word(told.type) or "message",
        message=storable(told.message or ""),
        data=storable(data),
    )
