"""What accounts' job lists tell: a hundred jobs a call, so that only those with news are asked about by themselves."""

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from service import connections
from service.jobs import rules
from service.jobs.flows import sights
from service.jobs.flows.outcomes import pause_after
from service.jobs.flows.searching import CLOCK_SKEW
from service.jobs.flows.sights import Sight
from service.jobs.models import Job
from service.jobs.rules import State
from service.kit import clock, logs, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER
from service.kit.locks import try_lock
from service.kit.settings import settings
from service.provider.errors import ProviderError
from service.provider.openai import gateway
from service.provider.shapes import RemoteJob

log = logs.get(__name__)

_WORTH_A_LIST: Final = 5  # so many jobs of one account are asked about by its list
_EVENTS_AFTER: Final = 20  # times `follow_seconds`: a running job nobody watches is asked for its events this rarely

News = Mapping[UUID, tuple[Sight, RemoteJob | None]]
"""Jobs to ask about further: how they stood before the list was read, and what it said, if it showed them."""


def glance(account: UUID, ours: Sequence[Sight]) -> News:
    """Read the account's list, put off what it shows to be unchanged, and tell what is left to ask about.

    Too few for a list are all left. None are while somebody else reads this list: he takes ours along, or they are
    hinted at again.
    """
    with unit_of_work(WORKER) as session:
        few = sights.soon(session, account, seconds=settings().follow_seconds, limit=_WORTH_A_LIST)
    if len(few) < _WORTH_A_LIST:
        return {one.id: (one, None) for one in ours}
    with try_lock(f"list:{account}") as lock:
        return read_list(account) if lock else {}


def read_list(account: UUID) -> News:
    """The same under the account's lock."""
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        seen = sights.soon(session, account, seconds=settings().follow_seconds)
        credentials = connections.credentials(session, account)
    if not seen:
        return {}
    wanted = {one.provider_job_id for one in seen if one.provider_job_id}
    oldest = min(one.submitted_at for one in seen)
    try:
        told = gateway.list_jobs(credentials, wanted=wanted, created_since=oldest - CLOCK_SKEW)
    except ProviderError as error:
        log.warning("account.list_failed", account=str(account), reason=str(error))
        _put_off({one: pause_after(error) * jitter() for one in seen if one.is_due})
        return {}
    shown = {one.id: (one, told.get(one.provider_job_id or "")) for one in seen}
    quiet = [one for one, remote in shown.values() if remote and not has_news(one, remote)]
    news = {id_: found for id_, found in shown.items() if found[0].is_due or found[1]}
    for one in quiet:
        del news[one.id]
    _put_off({one: pause_of(one.state, one.begun_at, is_watched=one.is_watched) for one in quiet}, hinted=news)
    return news


def _put_off(pauses: Mapping[Sight, float], hinted: Collection[UUID] = ()) -> None:
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        work.put_off(session, Job, {one.untouched: seconds for one, seconds in pauses.items()})
        if hinted:
            work.mark_hinted(session, Job, hinted)


def has_news(sight: Sight, remote: RemoteJob) -> bool:
    """Whether to ask further. A job may have been found when it had ended: an end is news until it is written."""
    return remote.status != sight.provider_status or remote.is_over or _wants_events(sight, remote)


def _wants_events(sight: Sight, remote: RemoteJob) -> bool:
    """A running job says something all the time: who watches wants to hear it soon, who does not now and then."""
    if remote.status != "running" or sight.is_watched or sight.events_asked_at is None:
        return remote.status == "running"
    most = _EVENTS_AFTER * settings().follow_seconds
    return (clock.now() - sight.events_asked_at).total_seconds() > most * random.uniform(0.5, 1)  # noqa: S311


def pause_of(state: State, begun_at: datetime, *, is_watched: bool) -> float:
    """Seconds until a job that stands so is looked at again, none exactly like another's."""
    shortest = settings().follow_seconds
    pause = rules.pause_before_next_look(state, clock.now() - begun_at, shortest=shortest, is_watched=is_watched)
    return pause * jitter()


def jitter() -> float:
    """So that jobs submitted together do not come back together."""
    return random.uniform(0.8, 1.2)  # noqa: S311
