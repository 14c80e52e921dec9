"""How often a key and a team may ask: counted in Redis for all processes together, and in this one while it is away.

The library `limits` counts, by a sliding window of a minute: what was asked in the last one weighs as much as still
lies within sixty seconds. Answers say where the caller stands (draft-ietf-httpapi-ratelimit-headers-11).
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.orm import Session

from service import quotas
from service.kit import clock, logs
from service.kit.errors import Forbidden, LimitReached
from service.kit.identity import Actor
from service.kit.settings import settings

log = logs.get(__name__)

WINDOW_SECONDS: Final = 60
_KNOWN_SECONDS: Final = 5.0  # a limit that was set counts after so long at the latest, and costs no query meanwhile
_LEFT_ALONE_SECONDS: Final = 5.0  # Redis, after it did not answer
_TEAMS_MAX: Final = 10_000


class RateLimited(LimitReached):
    """At most {quota} requests a minute for this {whose}: ask again in {seconds} seconds."""

    code = "rate_limited"


class RequestsDenied(Forbidden):
    """The limit {limit} of this team is zero, so it may ask for nothing. An operator can raise it."""

    code = "requests_denied"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is counted together, and how much of it there may be a minute."""

    whose: str  # `key` or `team`: the name of the policy
    id: str
    quota: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a bucket, and in how many seconds there is more again."""

    bucket: Bucket
    left: int
    seconds: int


class Known:
    """The teams' limits on requests, as of a few seconds ago."""

    def __init__(self) -> None:
        self._found: dict[UUID | None, tuple[float, quotas.Rates]] = {}

    def of(self, session_as_auth: Session, team_id: UUID | None) -> quotas.Rates:
        """The team's limits. The platform's own keys have the defaults: who sets limits must be able to lift them."""
        if team_id is None:
            return quotas.DEFAULT_RATES
        now = clock.monotonic()
        until, rates = self._found.get(team_id, (0.0, quotas.DEFAULT_RATES))
        if until <= now:
            if len(self._found) >= _TEAMS_MAX:
                self._found.clear()
            rates = quotas.rates(session_as_auth, team_id)
            self._found[team_id] = now + _KNOWN_SECONDS, rates
        return rates


class _Redis(RedisStorage):
    """By redis-py alone: the library imports every client that is installed, 8 MB more in each process."""

    DEPENDENCIES = {"redis": RedisStorage.DEPENDENCIES["redis"]}  # noqa: RUF012 - the library's own attribute


class Limiter:
    """Counts requests. Never open: what cannot be counted for all processes is counted for this one."""

    def __init__(self, broker_url: str, *, seconds: float) -> None:
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": seconds}
        url = _url_for_limits(broker_url)
        shared = _Redis(url, implementation="redispy", key_prefix="tuneplane-rates", **options)
        self._shared = SlidingWindowCounterRateLimiter(shared)
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._seconds = seconds  # Redis has, to answer
        self._away_until = 0.0

    async def take(self, buckets: Sequence[Bucket]) -> tuple[list[Standing], Bucket | None]:
        """Count one request in each bucket; where they stand now, and the first that is empty, if one is."""
        if self._away_until <= clock.monotonic():
            try:
                async with asyncio.timeout(self._seconds):
                    return await _take(self._shared, buckets)
            except Exception as error:  # noqa: BLE001 - whatever is wrong there, requests go on being counted
                self._away_until = clock.monotonic() + _LEFT_ALONE_SECONDS
                log.warning("rates.counted_here", reason=f"{type(error).__name__}: {error}")
        return await _take(self._local, buckets)


async def _take(
    limiter: SlidingWindowCounterRateLimiter, buckets: Sequence[Bucket]
) -> tuple[list[Standing], Bucket | None]:
    empty = None
    for bucket in buckets:
        if not await limiter.hit(RateLimitItemPerMinute(bucket.quota), bucket.whose, bucket.id):
            empty = bucket
            break
    return list(await asyncio.gather(*(_standing(limiter, bucket) for bucket in buckets))), empty


async def _standing(limiter: SlidingWindowCounterRateLimiter, bucket: Bucket) -> Standing:
    stats = await limiter.get_window_stats(RateLimitItemPerMinute(bucket.quota), bucket.whose, bucket.id)
    seconds = math.ceil(stats.reset_time - clock.now().timestamp())  # the library reckons with the wall clock
    return Standing(bucket, stats.remaining, min(max(seconds, 1), WINDOW_SECONDS))


async def count(request: Request, actor: Actor, rates: quotas.Rates) -> None:
    """Count the request, and leave with it what its answer says of that. Raises RateLimited or RequestsDenied."""
    if 0 in (rates.per_key, rates.per_team):
        zero = "requests_per_minute_per_key" if rates.per_key == 0 else "requests_per_minute"
        raise RequestsDenied(limit=zero)
    wanted = (("key", actor.name, rates.per_key), ("team", str(actor.team_id), rates.per_team))
    buckets = [Bucket(whose, bucket, quota) for whose, bucket, quota in wanted if quota is not None]
    if not buckets:
        return
    standings, empty = await request.app.state.limiter.take(buckets)
    request.state.rates = headers(standings)
    if empty is not None:
        seconds = next(one.seconds for one in standings if one.bucket == empty)
        raise RateLimited(quota=empty.quota, whose=empty.whose, seconds=seconds, retry_after_seconds=seconds)


def headers(standings: Sequence[Standing]) -> dict[str, str]:
    """Two lists of structured fields: the policies, and what is left of each."""
    return {
        "ratelimit-policy": ", ".join(
            f'"{one.bucket.whose}";q={one.bucket.quota};w={WINDOW_SECONDS}' for one in standings
        ),
        "ratelimit": ", ".join(f'"{one.bucket.whose}";r={one.left};t={one.seconds}' for one in standings),
    }


def limiter() -> Limiter:
    """The one of this process."""
    return Limiter(settings().broker_url.get_secret_value(), seconds=settings().rates_seconds)


def _url_for_limits(broker_url: str) -> str:
    """Celery's way of writing a Redis as the library has it; a unix socket is written differently by each."""
    parts = urlsplit(broker_url)
    if parts.scheme == "redis+socket":
        (database,) = parse_qs(parts.query).get("virtual_host", ["0"])
        return f"async+redis+unix://{parts.path}?db={database}"
    return f"async+{broker_url}"
