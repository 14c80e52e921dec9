"""The submission protocol of docs/protocol.md, step by step under the same names: what service/jobs/flows.py must do.

`work` is one pass of a worker, `user_cancels` the command, `janitor` one round of it. Between two yields a worker
can die, sleep or be overtaken. Nothing of the service is imported: this is the specification, not the code.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from tests.protocol.world import LEASE, RELEASED, SETTLED, TERMINAL, Behaviour, Guards, Job, World

CALL_LEASE = 70  # the intent stretches the lease over the client's timeout (60) and the record after it
INTERVAL = 10  # between the two empty searches, and before the first look after an unknown outcome
BUSY = 5  # the lock is taken: come back later
POLL = 15  # following a job the provider has
ATTEMPTS_MAX = 4  # calls, after which a person must look
UNRESOLVED = frozenset({"submitting", "cancelling"})
CLEARED: dict[str, Any] = {"intent_at": None, "searches": 0, "searched_at": None}


def fresh(guards: Guards | None = None, *coming: Behaviour) -> World:
    """A job just handed to the workers, its money held; `coming` is how the provider treats the next POSTs."""
    return World(work, guards or Guards(), coming=list(coming))


def work(w: World, me: int) -> Iterator[str]:
    yield "claim"
    fence = w.claim()
    if fence is None:
        return
    if w.job.provider_job_id is not None:
        yield from follow(w, fence)
        return
    yield "lock"
    if w.guards.lock and w.holder is not None:
        w.write(fence, due_at=w.now + BUSY)
        return
    w.holder = me
    yield from submit(w, me, fence)
    yield "unlock"
    w.drop_lock(me)


def submit(w: World, me: int, fence: int) -> Iterator[str]:
    yield "reread"
    if w.job.fence != fence or w.job.provider_job_id is not None or w.job.state not in UNRESOLVED:
        return
    if w.job.intent_at is not None:
        never_created = yield from search(w, fence)
        if not never_created:
            return
    if w.job.attempts >= ATTEMPTS_MAX:
        w.write(fence, attention="attempts")  # the money stays held until an operator settles it
        return
    yield "intent"
    if not intent(w, fence):
        return
    yield "call"
    if w.guards.lock_check and w.guards.lock and w.holder != me:
        return
    yield "send"  # the one gap nobody can close: the check has passed, the bytes have not left
    for _ in range(w.guards.posts_per_call):
        reply, remote_id = w.post()
        if reply != "unknown":
            break
    yield "record"
    record(w, fence, reply, remote_id)


def search(w: World, fence: int) -> Generator[str, None, bool]:
    """Look for our job and write what that shows; True when it was never created and may be now."""
    yield "search"
    asked_at, found = w.now, w.search()  # the clock is read before asking: a late answer proves nothing about later
    yield "record"
    if found:
        if adopt(w, fence, found[0].id):  # else somebody knows more than we do: touch nothing
            for extra in found[1:]:
                if extra.key is not None:  # a likeness is enough to adopt, never to cancel
                    extra.state = "cancelled"
        return False
    changes = after_empty_search(w.job, asked_at, w.guards)
    if changes != CLEARED:
        w.write(fence, **changes)
        return False
    if w.job.state == "cancelling":
        w.write(fence, **CLEARED, state="cancelled", money=RELEASED)
        return False
    return w.write(fence, **CLEARED, lease_until=w.now + LEASE)


def after_empty_search(job: Job, asked_at: int, guards: Guards) -> dict[str, Any]:
    """What an empty search proves. The first look starts the quiet period; only later ones count, an interval apart."""
    since = job.searched_at
    if since is None:
        since = asked_at if guards.quiet_from_look or job.intent_at is None else job.intent_at
    counts_at = since + (guards.quiet if job.searches == 0 else INTERVAL)
    if asked_at < counts_at:
        return {"searched_at": since, "due_at": counts_at}
    if job.searches + 1 < guards.empty_searches:
        return {"searches": job.searches + 1, "searched_at": asked_at, "due_at": asked_at + INTERVAL}
    return CLEARED


def intent(w: World, fence: int) -> bool:
    """Commit the intent alone; False when a cancel, another worker or another intent came first."""
    if w.job.state != "submitting" or w.job.provider_job_id is not None:
        return False
    if w.guards.intent_if_null and w.job.intent_at is not None:
        return False
    at = w.now if w.guards.intent else None
    guard = fence if w.guards.fence_at_intent else None
    return w.write(guard, intent_at=at, attempts=w.job.attempts + 1, lease_until=w.now + CALL_LEASE)


def recordable(w: World) -> bool:
    free = w.job.provider_job_id is None or not w.guards.record_if_null
    return free and w.job.state in UNRESOLVED


def adopt(w: World, fence: int | None, remote_id: int) -> bool:
    """Give the job its provider job; False, and nothing written, where another worker has claimed or recorded since."""
    if not recordable(w):
        return False
    state = "cancelling" if w.job.state == "cancelling" else "validating_files"
    guard = fence if w.guards.fence_at_record else None
    return w.write(guard, provider_job_id=remote_id, state=state, due_at=w.now, attention=None)


def record(w: World, fence: int, reply: str, remote_id: int | None) -> None:
    """Write what the call brought, guarded by the fence and by provider_job_id IS NULL."""
    job, cancelling = w.job, w.job.state == "cancelling"
    guard = fence if w.guards.fence_at_record else None
    if remote_id is not None:
        if not adopt(w, fence, remote_id) and (job.provider_job_id is not None or job.state in TERMINAL):
            cancel_stray(w, remote_id)  # where the row has no id yet, the next search finds this one
    elif not recordable(w):
        return
    elif reply == "refused" or (reply == "throttled" and cancelling):
        w.write(guard, **CLEARED, state="cancelled" if cancelling else "failed", money=RELEASED)
    elif reply == "throttled":
        w.write(guard, **CLEARED, due_at=w.now + INTERVAL, attempts=job.attempts - 1)  # burns no attempt
    else:
        w.write(guard, due_at=w.now + INTERVAL)


def cancel_stray(w: World, remote_id: int) -> None:
    for remote in w.remotes:
        if remote.id == remote_id != w.job.provider_job_id and remote.state == "live":
            remote.state = "cancelled"


def follow(w: World, fence: int) -> Iterator[str]:
    """Ask how the job is, pass a cancel on, settle once. No lock: nothing is created here."""
    yield "follow"
    remote = next(r for r in w.remotes if r.id == w.job.provider_job_id)
    if w.job.state == "cancelling" and remote.state == "live":
        remote.state = "cancelled"
    seen = remote.state
    yield "record"
    if seen == "live":
        w.write(fence, due_at=w.now + POLL)
    elif w.job.state not in TERMINAL:
        w.write(fence, state=seen, money=SETTLED)


def user_cancels(w: World) -> None:
    """End the job at once where the provider surely has nothing; else ask for it and keep the money held."""
    job = w.job
    if job.state in TERMINAL:
        return
    known_absent = job.intent_at is None and job.provider_job_id is None
    if known_absent or not w.guards.cancel_waits:
        job.fence += 1  # whoever has claimed it may not even back off any more
        w.write(None, state="cancelled", money=RELEASED)
    else:
        w.write(None, state="cancelling", due_at=w.now, lease_until=job.lease_until)
    w.check()


def janitor(w: World) -> None:
    """List what the provider shows under our keys, re-read each row under its lock, adopt or cancel."""
    job = w.job
    for remote in w.visible():
        if remote.key is None or remote.state != "live" or remote.id == job.provider_job_id:
            continue
        if job.provider_job_id is None and job.state not in TERMINAL:
            if w.holder is None:
                job.fence += 1
                adopt(w, job.fence, remote.id)
        else:
            remote.state = "cancelled"
            w.alerts.append("duplicate")
    w.check()
