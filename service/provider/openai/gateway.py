"""Every call we make to a provider. One try each: the SDK's own retries would create a paid job up to three times.

The SDK sends no Idempotency-Key for files and jobs, and quietly reads OPENAI_* from the environment; so retries are off
and everything is passed explicitly. Each function returns plain shapes and raises only service.provider.errors.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

import httpx2
import openai
from openai import OpenAI, omit
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from service.kit.settings import forget_provider_environment, settings
from service.provider.errors import AccountRefused, NotThere, ProviderError, RateLimited, Refused, Unknown
from service.provider.shapes import SUBMISSION_KEY, Answer, Credentials, JobOrder, RemoteEvent, RemoteFile, RemoteJob

_PAGE: Final = 100
_PAUSE_SECONDS_MAX: Final = 3600.0
_CODE_LENGTH_MAX: Final = 128
_REFUSALS: Final = {400, 404, 405, 410, 413, 415, 422}  # surely no effect; whatever is not listed may have had one
_ACCOUNT_CODES: Final = {"insufficient_quota", "billing_hard_limit_reached", "invalid_api_key", "account_deactivated"}


@lru_cache(maxsize=64)
def _client(credentials: Credentials) -> OpenAI:
    """One client per account and process: constructing one costs 18 ms."""
    forget_provider_environment()
    return OpenAI(
        api_key=credentials.api_key,
        admin_api_key="",
        base_url=credentials.base_url,
        organization=credentials.organisation or "",
        project=credentials.project or "",
        webhook_secret="",
        max_retries=0,
        timeout=httpx2.Timeout(settings().provider_timeout_seconds, connect=5.0),
        default_headers=_account_headers(credentials),
    )


def _account_headers(credentials: Credentials) -> Any:
    """An empty string would be sent as a header; `omit` takes it out."""
    return {
        "OpenAI-Organization": credentials.organisation or omit,
        "OpenAI-Project": credentials.project or omit,
    }


@contextmanager
def _translated(credentials: Credentials) -> Iterator[None]:
    """The SDK's exceptions as ours, by what they say about the effect (docs/protocol.md, "What the reply means").

    A provider may quote the key it refuses: it is taken out before the words reach a log or a row.
    """
    try:
        yield
    except openai.APIStatusError as error:
        raise _by_status(error, _words(error).replace(credentials.api_key, "[key]")) from None
    except openai.APIConnectionError as error:  # timeouts included
        raise Unknown(str(error)) from None
    except (openai.APIError, ValueError, TypeError, AttributeError) as error:
        # 200 with a body that is not what it should be: it may have had its effect.
        raise Unknown(f"unreadable answer: {type(error).__name__}") from None


def _by_status(error: openai.APIStatusError, message: str) -> ProviderError:
    status, code = error.status_code, error.code
    facts: dict[str, Any] = {"code": code, "status": status}
    if status in (401, 402, 403) or code in _ACCOUNT_CODES:
        return AccountRefused(message, **facts)
    if status == 404:  # noqa: PLR2004 - an HTTP status reads best as itself
        return NotThere(message, **facts)
    if status == 429 and isinstance(error.body, dict):  # noqa: PLR2004
        return RateLimited(message, code=code, retry_after_seconds=_retry_after(error.response))
    return Refused(message, **facts) if status in _REFUSALS else Unknown(message, **facts)


def _words(error: openai.APIStatusError) -> str:
    """The provider's own sentence; the SDK's puts the status before it."""
    told = error.body.get("message") if isinstance(error.body, dict) else None
    return told if isinstance(told, str) and told else error.message


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds the provider asks for, from one second to an hour: its word may slow us down, not stop us."""
    try:
        asked = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return None if math.isnan(asked) else min(max(asked, 1.0), _PAUSE_SECONDS_MAX)


# --------------------------------------------------------------------------------------------------------------- files
def find_files(credentials: Credentials, *, filename: str, size: int) -> list[RemoteFile]:
    """Training files of exactly this name and size, oldest first. Our names carry the content's hash."""
    with _translated(credentials):
        page = _client(credentials).files.list(purpose="fine-tune", limit=10_000)
        found = [_file(one) for one in page if one.filename == filename and one.bytes == size]
    return sorted(found, key=lambda one: (one.created_at, one.id))


def create_file(credentials: Credentials, *, filename: str, content: IO[bytes] | Path) -> RemoteFile:
    """Upload a training file."""
    with _translated(credentials):
        if isinstance(content, Path):
            with content.open("rb") as opened:
                return _file(_client(credentials).files.create(file=(filename, opened), purpose="fine-tune"))
        return _file(_client(credentials).files.create(file=(filename, content), purpose="fine-tune"))


def _file(told: Any) -> RemoteFile:
    return RemoteFile(id=told.id, filename=told.filename, bytes=told.bytes, created_at=_instant(told.created_at))


# ---------------------------------------------------------------------------------------------------------------- jobs
def create_job(credentials: Credentials, order: JobOrder) -> RemoteJob:
    """Create the job, once. Raises Unknown when it may exist nevertheless."""
    chosen = {
        "n_epochs": order.epochs,
        "batch_size": order.batch_size,
        "learning_rate_multiplier": None
        if order.learning_rate_multiplier is None
        else float(order.learning_rate_multiplier),
    }
    hyperparameters: Any = {name: value for name, value in chosen.items() if value is not None}
    with _translated(credentials):
        return _job(
            _client(credentials).fine_tuning.jobs.create(
                model=order.model,
                training_file=order.training_file,
                validation_file=order.validation_file or omit,
                method={"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
                suffix=order.suffix or omit,
                seed=order.seed,
                metadata={**order.metadata, SUBMISSION_KEY: order.key},
                extra_headers={"Idempotency-Key": order.key},  # not known to be honoured; harmless
            )
        )


def find_jobs(
    credentials: Credentials, *, key: str, training_file: str, seed: int, created_since: datetime
) -> list[RemoteJob]:
    """Jobs that carry our key.

    Where the server dropped the metadata, recent ones of the same file and seed. Oldest first.
    """
    with _translated(credentials):
        jobs = _client(credentials).fine_tuning.jobs
        by_key = [_job(one) for one in jobs.list(limit=_PAGE, metadata={SUBMISSION_KEY: key})]
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
    """Those of `wanted` that the account's list shows, by id: a hundred for one call instead of one each.

    Reads from the newest back until all are found or everything older is older than `created_since`.
    """
    found: dict[str, RemoteJob] = {}
    with _translated(credentials):
        newest_first = (_job(one) for one in _client(credentials).fine_tuning.jobs.list(limit=_PAGE))
        for one in _while_recent(newest_first, created_since):
            if one.id in wanted:
                found[one.id] = one
                if len(found) == len(wanted):
                    break
    return found


def get_job(credentials: Credentials, job_id: str) -> RemoteJob:
    """The job as it stands."""
    with _translated(credentials):
        return _job(_client(credentials).fine_tuning.jobs.retrieve(job_id))


def cancel_job(credentials: Credentials, job_id: str) -> RemoteJob:
    """Ask for the job's end; what comes of it is what the answer, or a later look, says."""
    with _translated(credentials):
        return _job(_client(credentials).fine_tuning.jobs.cancel(job_id))


def new_events(credentials: Credentials, job_id: str, *, known: Callable[[RemoteEvent], bool]) -> list[RemoteEvent]:
    """Events not yet known, oldest first.

    Reads back page by page until a whole page is known, whatever order they come in.
    """
    fresh: dict[str, RemoteEvent] = {}
    with _translated(credentials):
        page = _client(credentials).fine_tuning.jobs.list_events(job_id, limit=_PAGE)
        while True:
            told = [_event(one) for one in page.data]
            unseen = [one for one in told if one.fingerprint not in fresh and not known(one)]
            fresh.update((one.fingerprint, one) for one in unseen)
            if not unseen or not page.has_next_page():
                break
            page = page.get_next_page()
    oldest_first = list(fresh.values())[::-1]  # those of one second stay as they were told
    return sorted(oldest_first, key=lambda one: one.created_at)


def _job(told: FineTuningJob) -> RemoteJob:
    error = told.error if told.error and told.error.code else None  # an empty object parses as truthy
    return RemoteJob(
        id=_text(told.id),
        status=_text(told.status),
        model=told.model,
        created_at=_instant(told.created_at),
        training_file=told.training_file,
        seed=told.seed,
        key=(told.metadata or {}).get(SUBMISSION_KEY),
        fine_tuned_model=told.fine_tuned_model,
        trained_tokens=told.trained_tokens,
        epochs=_epochs(told),
        finished_at=_instant(told.finished_at) if told.finished_at else None,
        estimated_finish=_instant(told.estimated_finish) if told.estimated_finish else None,  # 0 means unknown
        error_code=_storable(error.code)[:_CODE_LENGTH_MAX] if error else None,
        error_message=_storable(error.message) if error else None,
        result_files=tuple(told.result_files or ()),
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
        created_at=_instant(told.created_at),
        level=told.level,
        type=told.type or "message",
        message=_storable(told.message),
        data=_storable(data),
    )


def _storable(told: Any) -> Any:
    """What Postgres can keep of the provider's words: no U+0000, and no NaN or infinity, which a lost training tells.

    A word that cannot be kept must not keep a job from being charged and ended.
    """
    if isinstance(told, str):
        return told.replace("\0", "\ufffd")
    if isinstance(told, float):
        return told if math.isfinite(told) else None
    if isinstance(told, dict):
        return {_storable(name): _storable(value) for name, value in told.items()}
    return [_storable(one) for one in told] if isinstance(told, list) else told


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("an id or status is missing")
    return value


def _instant(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"no instant is {seconds} s from 1970") from error


# -------------------------------------------------------------------------------------------------------------- models
def answers(credentials: Credentials, model_id: str) -> Answer:
    """Ask the model for one token. For some minutes after success a model may answer 404 or 429 (help 6643004)."""
    try:
        with _translated(credentials):
            _client(credentials).chat.completions.create(
                model=model_id, messages=[{"role": "user", "content": "ping"}], max_completion_tokens=1
            )
    except AccountRefused:
        return Answer.REFUSED
    except (NotThere, RateLimited, Unknown):
        return Answer.NOT_YET
    except Refused:
        return Answer.REFUSED
    return Answer.READY
