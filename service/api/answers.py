"""What a request to resolve is answered, decided from memory alone: one key check, and bytes that are there.

    GET|HEAD /v1/models/{name}/resolve?alias=production

Validators follow RFC 9110 (8.8.3, 13.1.2), caching RFC 9111 and RFC 5861. A key, model or alias made a moment ago is
unknown until the notification of it has been taken in: well under a second, at worst one poll (`Resolver`).
"""

import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from service import registry, tenants
from service.api.errors import PROBLEM_JSON, KeyMissing, ScopeMissing, TeamKeyRequired, problem
from service.api.served import Headers, Representation, Served
from service.kit.errors import TuneplaneError, Unavailable

SCOPE: Final = "models:resolve"
ALIAS_DEFAULT: Final = "production"
_NOBODY: Final = bytes(32)  # compared with when the key is unknown, so that both cases take the same time
_ETAG: Final = re.compile(rb'(?:W/)?("[^"]*")')


class NotLoadedYet(Unavailable):
    """This server has not been able to load the registry since it started; please try another or come back."""

    code = "registry_not_loaded"


class Outdated(Unavailable):
    """The registry cannot be reached, and what it last said knows nothing of this: it may be newer."""

    code = "registry_unreachable"


class Question(NamedTuple):
    """A request to resolve, as it came in."""

    name: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    request_id: str
    at: datetime


class Answer(NamedTuple):
    """Status, headers and body; for HEAD the body is left out."""

    status: int
    headers: Headers
    body: bytes


def answer(served: Served | None, question: Question, *, stale_seconds: int | None = None) -> Answer:
    """Answer from `served`, None where nothing was ever loaded. `stale_seconds`: its age, if more than it should be."""
    try:
        found = _find(served, question, is_stale=stale_seconds is not None)
    except TuneplaneError as error:
        return _refuse(question, error)
    unless = question.headers.get(b"if-none-match")
    unchanged = unless is not None and _names(unless, found.etag)
    headers = [*(found.headers_unchanged if unchanged else found.headers), _request_id(question)]
    if stale_seconds is not None:
        headers.append((b"age", b"%d" % stale_seconds))
    return Answer(304, headers, b"") if unchanged else Answer(200, headers, found.body)


def _find(served: Served | None, question: Question, *, is_stale: bool) -> Representation:
    """The representation asked for, if the caller may have it."""
    if served is None:
        raise NotLoadedYet(retry_after_seconds=5)
    record = _check_key(served.keys, question.headers.get(b"authorization"), question.at, is_stale=is_stale)
    if SCOPE not in tenants.SCOPES[record.role]:
        raise ScopeMissing(role=record.role, scope=SCOPE)
    if record.team_id is None:
        raise TeamKeyRequired(role=record.role)
    alias = _alias(question.query)
    found = served.find(record.team_id, question.name, alias)
    if found is None:
        raise Outdated(retry_after_seconds=5) if is_stale else registry.NothingServed(name=question.name, alias=alias)
    if _prefers_text(question.headers.get(b"accept")):
        return found.text(served.cache_control)
    return found.json(served.cache_control)


def _check_key(
    keys: Mapping[str, tenants.KeyRecord], presented: bytes | None, at: datetime, *, is_stale: bool
) -> tenants.KeyRecord:
    if presented is None or presented[:7].lower() != b"bearer ":
        raise KeyMissing
    parsed = tenants.parse_key(presented[7:].strip().decode("latin-1"))
    if parsed is None:
        raise tenants.InvalidKey
    key_id, secret = parsed
    record = keys.get(key_id)
    digest = record.digest if record else _NOBODY
    if not hmac.compare_digest(tenants.digest(secret), digest) or record is None:
        raise Outdated(retry_after_seconds=5) if is_stale and record is None else tenants.InvalidKey
    if record.expires_at is not None and record.expires_at <= at:
        raise tenants.KeyExpired(expired_at=record.expires_at.isoformat())
    return record


def _alias(query: bytes) -> str:
    return parse_qs(query.decode("latin-1")).get("alias", [ALIAS_DEFAULT])[-1] if query else ALIAS_DEFAULT


def _prefers_text(accept: bytes | None) -> bool:
    """Whether text/plain is wanted more than JSON (RFC 9110, 12.5.1); a tie goes to JSON."""
    if accept is None or b"text/" not in (accept := accept.lower()):
        return False
    weights = {b"text/plain": 0.0, b"application/json": 0.0}
    for kind in weights:
        patterns = (kind, kind.split(b"/")[0] + b"/*", b"*/*")
        ranked = [(-patterns.index(media), weight) for media, weight in _ranges(accept) if media in patterns]
        weights[kind] = max(ranked, default=(0, 0.0))[1]  # the most specific range decides
    return weights[b"text/plain"] > weights[b"application/json"]


def _ranges(accept: bytes) -> Iterable[tuple[bytes, float]]:
    for part in accept.split(b","):
        media, *parameters = (piece.strip() for piece in part.split(b";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith(b"q=")), b"1")
        yield media, float(weight) if re.fullmatch(rb"[01](\.\d{0,3})?", weight) else 1.0


def _names(condition: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names `etag`: any of a list, compared weakly, `*` names all (RFC 9110, 13.1.2)."""
    return condition.strip() == b"*" or etag in _ETAG.findall(condition)


def _refuse(question: Question, error: TuneplaneError) -> Answer:
    status, headers, body = problem(error, path=question.path, request_id=question.request_id)
    content = json.dumps(body, separators=(",", ":")).encode()
    about = {
        **headers,
        "content-type": PROBLEM_JSON,
        "content-length": str(len(content)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    sent = [(name.lower().encode(), value.encode()) for name, value in about.items()]
    return Answer(status, [*sent, _request_id(question)], content)


def _request_id(question: Question) -> tuple[bytes, bytes]:
    return b"x-request-id", question.request_id.encode()
