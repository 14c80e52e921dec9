"""One client an account, what its exceptions mean to us, and when it is left alone.

The SDK's own retries would create a paid job up to three times, it sends no Idempotency-Key for files and jobs, and it
quietly reads OPENAI_* from the environment; so retries are off and everything is passed explicitly.
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, Literal

import httpx2
import openai
from openai import OpenAI, omit

from service.kit import circuit
from service.kit.errors import Unavailable
from service.kit.settings import forget_provider_environment, settings
from service.provider.errors import (
    AccountRefused,
    FileNotReady,
    NotThere,
    Paused,
    ProviderError,
    RateLimited,
    Refused,
    TooManyJobs,
    Unknown,
    Unreachable,
)
from service.provider.openai.told import storable, word
from service.provider.shapes import Credentials

_PAUSE_SECONDS_MAX: Final = 3600.0
_REFUSALS: Final = {400, 403, 404, 405, 410, 413, 415, 422}  # surely no effect; whatever is not listed may have had one
_ACCOUNT_CODES: Final = {"insufficient_quota", "billing_hard_limit_reached", "invalid_api_key", "account_deactivated"}
_MODEL_CODES: Final = {"model_not_found"}  # with 403 too, where a project may not use the model; it names no field
_FILE_NOT_READY: Final = re.compile(r"\bfile\b.* still being processed", re.IGNORECASE)  # §3.9; it has no code
_JOBS: Final = re.compile(r"\b(jobs?|fine-?tun\w+)\b", re.IGNORECASE)
_AT_A_TIME: Final = re.compile(r"\b(active|concurrent\w*|simultaneous\w*|at (a|the same) time)\b", re.IGNORECASE)
_A_RATE: Final = re.compile(r"\b(per|a) (second|minute|hour|day)\b", re.IGNORECASE)
_DATABASE_AWAY_SECONDS: Final = 5.0

Use = Literal["create", "ask"]
"""What a call is for; each has a circuit of its own, for an account may refuse new work and still tell of the old."""


@lru_cache(maxsize=64)
def client(credentials: Credentials) -> OpenAI:
    """One client per account and process: constructing one costs 18 ms."""
    forget_provider_environment()
    # No redirects: neither a key nor a dataset is to follow where somebody points.
    hooks = [_paced(credentials), *([_as_azure_takes_keys] if credentials.kind == "azure" else [])]
    http = openai.DefaultHttpx2Client(follow_redirects=False, event_hooks={"request": hooks})
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
        http_client=http,
    )


def _account_headers(credentials: Credentials) -> Any:
    """An empty string would be sent as a header; `omit` takes it out."""
    return {
        "OpenAI-Organization": credentials.organisation or omit,
        "OpenAI-Project": credentials.project or omit,
    }


def _as_azure_takes_keys(request: httpx2.Request) -> None:
    """As `api-key`: a bearer would be a token of its directory (Azure OpenAI REST reference, "Authentication").

    The SDK's own client for Azure would ask for deployments by path, which `/openai/v1/` does not have; that address
    has files, fine-tuning and chat in OpenAI's form and needs no api-version.
    """
    request.headers["api-key"] = request.headers.pop("Authorization").removeprefix("Bearer ")


def _paced(credentials: Credentials) -> Callable[[httpx2.Request], None]:
    """What the HTTP client does before each request it sends, each page of a list included."""
    account, per_minute = credentials.account, credentials.requests_per_minute

    def wait(_: httpx2.Request) -> None:
        if per_minute is not None:
            with _as_pause():
                circuit.pace(f"{account}:ask", per_minute)

    return wait


@contextmanager
def translated(credentials: Credentials, use: Use | None = "ask") -> Iterator[None]:
    """A call, if the account is to be called now; its outcome is noted and its exceptions are ours.

    Raises Paused where nothing was sent. `use` None: the answer says nothing about the account and is not noted.
    """
    if use is None:
        with _as_ours(credentials):
            yield
        return
    if use == "create" and credentials.paused is not None:
        raise Paused(credentials.paused, retry_after_seconds=settings().backoff_cap_seconds)
    name = f"{credentials.account}:{use}"
    with _as_pause():
        is_trial = circuit.enter(name)
    try:
        with _as_ours(credentials):
            yield
    except ProviderError as error:
        _note(name, error, is_trial=is_trial)
        raise
    circuit.succeeded(name)


@contextmanager
def _as_pause() -> Iterator[None]:
    """Nothing is sent while the circuit is open, nor while nobody can tell whether it is."""
    try:
        yield
    except circuit.CircuitOpen as shut:
        raise Paused(shut.reason, retry_after_seconds=shut.retry_after_seconds) from None
    except Unavailable as away:
        raise Paused(away.message, retry_after_seconds=_DATABASE_AWAY_SECONDS) from away


def _note(name: str, error: ProviderError, *, is_trial: bool) -> None:
    """What the error says of the account: that it is away, wants a pause, is refused, or that it answers."""
    match error:
        case Paused():  # by the account's pace; the trial may be another's by now
            if is_trial:
                circuit.withdrew(name)
        case Unknown():
            circuit.failed(name, error.message)
        case TooManyJobs():  # of one base model; the account takes others
            circuit.succeeded(name)
        case RateLimited(retry_after_seconds=float(seconds)):
            circuit.open(name, error.message, seconds)
        case AccountRefused():
            circuit.open(name, f"{error.message} ({error.code or error.status})", settings().backoff_cap_seconds)
        case _:
            circuit.succeeded(name)


@contextmanager
def _as_ours(credentials: Credentials) -> Iterator[None]:
    """The SDK's exceptions as ours, by what they say about the effect (docs/protocol.md, "What the reply means").

    A provider may quote the key it refuses: it is taken out before the words reach a log or a row.
    """
    try:
        yield
    except openai.APIStatusError as error:
        raise _by_status(error, _words(error).replace(credentials.api_key, "[key]")) from None
    except openai.APIConnectionError as error:  # timeouts included
        unsent = isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
        raise (Unreachable if unsent else Unknown)(str(error)) from None
    except (openai.APIError, ValueError, TypeError, AttributeError) as error:
        # 200 with a body that is not what it should be: it may have had its effect.
        raise Unknown(f"unreadable answer: {type(error).__name__}") from None


def _by_status(error: openai.APIStatusError, message: str) -> ProviderError:
    status, code = error.status_code, word(error.code)
    facts: dict[str, Any] = {"code": code, "status": status, "param": word(error.param)}
    is_about_what_was_asked = status == 403 and (facts["param"] is not None or code in _MODEL_CODES)  # noqa: PLR2004
    if code in _ACCOUNT_CODES or (status in (401, 402, 403) and not is_about_what_was_asked):
        return AccountRefused(message, **facts)
    if status == 404:  # noqa: PLR2004 - an HTTP status reads best as itself
        return NotThere(message, **facts)
    if status == 429 and isinstance(error.body, dict):  # noqa: PLR2004
        kind = TooManyJobs if speaks_of_jobs_under_way(message) else RateLimited
        return kind(message, code=code, retry_after_seconds=_retry_after(error.response))
    if status == 400 and _FILE_NOT_READY.search(message):  # noqa: PLR2004
        return FileNotReady(message, code=code)
    return Refused(message, **facts) if status in _REFUSALS else Unknown(message, **facts)


def speaks_of_jobs_under_way(message: str) -> bool:
    """Whether a 429 is about fine-tuning jobs at a time, rather than about calls, tokens or jobs a day.

    There is no code for it: "…rate-limited…" comes for both, with `rate_limit_exceeded` for jobs at a time
    (community.openai.com/t/692816) and "requests per day" for the daily limit (github.com/johny-b/llmcomp/issues/58).
    """
    return bool(_JOBS.search(message) and _AT_A_TIME.search(message) and not _A_RATE.search(message))


def _words(error: openai.APIStatusError) -> str:
    """The provider's own sentence; the SDK's puts the status before it."""
    told = error.body.get("message") if isinstance(error.body, dict) else None
    return str(storable(told if isinstance(told, str) and told else error.message))


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds the provider asks for, from one second to an hour: its word may slow us down, not stop us."""
    try:
        asked = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return None if math.isnan(asked) else min(max(asked, 1.0), _PAUSE_SECONDS_MAX)
