"""One client an account, and what its exceptions mean to us.

The SDK's own retries would create a paid job up to three times, it sends no Idempotency-Key for files and jobs, and it
quietly reads OPENAI_* from the environment; so retries are off and everything is passed explicitly.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import httpx2
import openai
from openai import OpenAI, omit

from service.kit.settings import forget_provider_environment, settings
from service.provider.errors import AccountRefused, NotThere, ProviderError, RateLimited, Refused, Unknown
from service.provider.shapes import Credentials

_PAUSE_SECONDS_MAX: Final = 3600.0
_REFUSALS: Final = {400, 404, 405, 410, 413, 415, 422}  # surely no effect; whatever is not listed may have had one
_ACCOUNT_CODES: Final = {"insufficient_quota", "billing_hard_limit_reached", "invalid_api_key", "account_deactivated"}


@lru_cache(maxsize=64)
def client(credentials: Credentials) -> OpenAI:
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
def translated(credentials: Credentials) -> Iterator[None]:
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
