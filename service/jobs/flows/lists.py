"""What accounts' job lists tell: a hundred jobs a call, so that only those with news are asked about by themselves."""

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from service.jobs import rules
from service.jobs.flows import sights
from service.jobs.flows.orders import open_accounts
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
from service.provider.errors import AccountRefused, ProviderError, Refused
from service.provider.openai import gateway
from service.provider.shapes import RemoteJob

log = logs.get(__name__)

_WORTH_A_LIST: Final = 5  # so many jobs of one account are asked about by its list
_EVENTS_AFTER: Final = 20  # times `follow_seconds`: a running job nobody watches is asked for its events this rarely

News = Mapping[UUID, tuple[Sight, RemoteJob | None]]
"""Jobs to ask about further: how they stood before the list was read, and what it said, if it showed them."""


def is_worth_a_list(account: UUID) -> bool:
    """Whether enough jobs of the account are due, or will be soon."""
    with unit_of_work(WORKER) as session:
        first = sights.of_account(session, account, limit=_WORTH_A_LIST)
    return sum(map(_is_soon, first)) == _WORTH_A_LIST


def read_list(account: UUID) -> News:
    """Read the account's list, put off what it shows to be unchanged, and tell what is left to ask about.

    It is read for jobs that are due or soon will be; where it shows others to have changed, that is news too. Nothing
    is told while somebody else reads it: he takes those along that are due, or they are hinted at again.
    """
    with try_lock(f"list:{account}") as lock:
        return _read(account) if lock else {}


def _read(account: UUID) -> News:
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        seen = sights.of_account(session, account)
    soon = [one for one in seen if _is_soon(one)]
    credentials = open_accounts([account]).get(account)
    if not soon or credentials is None:
        return {}
    wanted = {one.provider_job_id for one in soon if one.provider_job_id}
    oldest = min(one.submitted_at for one in soon)
    try:
        told = gateway.list_jobs(credentials, wanted=wanted, created_since=oldest - CLOCK_SKEW)
    except ProviderError as error:
        log.warning("account.list_failed", account=str(account), reason=str(error))
        due = [one for one in soon if one.is_due]
        if isinstance(error, Refused) and not isinstance(error, AccountRefused):  # it knows no such thing
            return {one.id: (one, None) for one in due}
        _put_off({one: pause_after(error) * jitter() for one in due})
        return {}
    return _compare(seen, told)


def _compare(seen: Sequence[Sight], told: Mapping[str, RemoteJob]) -> News:
    news: dict[UUID, tuple[Sight, RemoteJob | None]] = {}
    quiet: dict[Sight, float] = {}
    for one in seen:
        remote = told.get(one.provider_job_id or "")
        if one.was_asked_in_vain and not one.is_due:
            continue  # its pause grows with each try; and what the list shows is most likely what stopped us
        if has_changed(one, remote) or (_is_soon(one) and _wants_events(one, remote)) or (one.is_due and not remote):
            news[one.id] = (one, remote)
        elif remote and _is_soon(one):
            quiet[one] = pause_of(one.state, one.begun_at, is_watched=one.is_watched)
    _put_off(quiet, hinted=news)
    return news


def _is_soon(sight: Sight) -> bool:
    return sight.due_in_seconds <= settings().follow_seconds


def _put_off(pauses: Mapping[Sight, float], hinted: Collection[UUID] = ()) -> None:
    with unit_of_work(WORKER, seconds=settings().worker_unit_seconds) as session:
        work.put_off(session, Job, {one.untouched: seconds for one, seconds in pauses.items()})
        if hinted:
            work.mark_hinted(session, Job, hinted)


def has_news(sight: Sight, remote: RemoteJob) -> bool:
    """Whether to ask for what the job has said."""
    return has_changed(sight, remote) or _wants_events(sight, remote)


def has_changed(sight: Sight, remote: RemoteJob | None) -> bool:
    """Whether its status is another. A job may have ended when it was found: an end is news until it is written."""
    return remote is not None and (remote.status != sight.provider_status or remote.is_over)


def _wants_events(sight: Sight, remote: RemoteJob | None) -> bool:
    """A running job says something all the time: who watches wants to hear it soon, who does not now and then."""
    if remote is None or remote.status != "running":
        return False
    if sight.is_watched or sight.events_asked_at is None:
        return True
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
