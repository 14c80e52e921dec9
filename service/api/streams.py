"""Watching: a job's history as server-sent events, and every `?wait`. See docs/watching.md.

Whoever watches holds no thread and no connection to the database. One `Lookout` a process hears of changes; what is new
is read once for all who watch a team's things, and handed on.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Annotated, Any, Final
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from service import jobs
from service.api import news
from service.api.deps import May, MayAsTeam
from service.api.errors import problems
from service.api.lookout import Awaited, Lookout, Stream, Wait, Watch, wanted_by
from service.jobs import Cursor
from service.kit import clock, ids, logs
from service.kit.db import read_only
from service.kit.errors import Unavailable
from service.kit.identity import Actor
from service.kit.settings import settings

log = logs.get(__name__)
router = APIRouter(tags=["jobs"])

WAIT_SECONDS_MAX: Final = 55  # proxies give up after 60
_SEQ_MAX: Final = 2**31 - 1
_RETRY_MS: Final = (1_000, 3_000)  # spread, so that those who were cut off together do not all come back together
_RECONNECT: Final = format_sse_event(event="reconnect", data_str='{"reason":"this server stops"}')
_LIVED: Final = format_sse_event(comment="this stream has lived its time: reconnect")


@asynccontextmanager
async def looking(lookout: Lookout) -> AsyncIterator[None]:
    """While this process serves: tell whoever is due."""
    work = asyncio.create_task(_look_around(lookout))
    lookout.start()
    try:
        yield
    finally:
        lookout.stop()
        work.cancel()


async def _look_around(lookout: Lookout) -> None:
    thread = CapacityLimiter(1)  # of its own: those of the requests may all be taken
    is_reachable = True
    while True:
        await lookout.stirred.wait()
        for team, watches in lookout.due().items():
            told = None
            try:
                told = await to_thread.run_sync(
                    news.read, team, wanted_by(watches), limiter=thread, abandon_on_cancel=True
                )
            except Unavailable as error:
                if is_reachable:  # once, not at every look
                    log.warning("watch.unreachable", reason=error.code)
            except Exception:  # the next look may succeed, and others watch too
                log.exception("watch.failed")
            is_reachable = told is not None
            lookout.tell(watches, told)
        for of_team, seen in lookout.audience.take_untold().items():
            try:
                await to_thread.run_sync(news.tell_watched, of_team, seen, limiter=thread, abandon_on_cancel=True)
            except Exception as error:  # noqa: BLE001 - it is a hint, and soon given again
                log.warning("watch.untold", reason=str(error))


async def _stirs(watch: Watch, *, within: float) -> bool:
    """Whether there is something to do for it within so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            return await watch.stirred.wait()
    return False


class EventStream(Response):
    """Sends a stream's events as they come, until the job is over, the client gone, or the stream's time up."""

    media_type = "text/event-stream"

    def __init__(self, lookout: Lookout, stream: Stream) -> None:
        self.status_code, self.background = 200, None
        self._lookout, self._stream = lookout, stream
        # nginx would collect the events into a buffer, and hand them out when it is full.
        self.init_headers({"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's own names
        """A client that takes nothing for `stream_stall_seconds` is let go in the middle: it may resume elsewhere."""
        gone = asyncio.create_task(self._await_leaving(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with aclosing(self._frames()) as frames:
                async for chunk in frames:
                    async with asyncio.timeout(settings().stream_stall_seconds):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            log.warning("stream.stalled", job=str(self._stream.subject), seq=self._stream.cursor.seq)
        finally:
            gone.cancel()

    async def _await_leaving(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._stream.let_go()

    async def _frames(self) -> AsyncGenerator[bytes]:
        stream = self._stream
        lifetime = settings().stream_lifetime_seconds * random.uniform(0.9, 1)  # noqa: S311 - spreads reconnections
        end = clock.monotonic() + lifetime
        yield format_sse_event(retry=random.randint(*_RETRY_MS))  # noqa: S311
        while (left := end - clock.monotonic()) > 0:
            if not await _stirs(stream, within=min(left, settings().stream_ping_seconds)):
                yield KEEPALIVE_COMMENT
            elif piece := stream.take():
                yield piece.frames
                if piece.is_last:
                    return
                self._lookout.taken()
            if stream.is_let_go:
                yield _RECONNECT
                return
        yield _LIVED


_LAST_EVENT_ID: Final = "Number of the last event you have, as a browser's EventSource sends it; goes before `after`."
_EXAMPLE: Final = (
    'retry: 2000\n\nevent: state\ndata: {"seq":1,…}\nid: 1\n\nevent: done\ndata: {"state":"succeeded",…}\n\n'
)
_STREAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    **problems(401, 403, 404, 422, 429, 503),
}
MayReadJobs = Annotated[Actor, MayAsTeam("jobs:read")]
MayReadDatasets = Annotated[Actor, MayAsTeam("datasets:read")]


def known_job(job: Annotated[str, Path(description="Id of the job.")], actor: MayReadJobs) -> UUID:
    """The job to watch. Raises UnknownJob."""
    with read_only(actor) as session:
        return jobs.get(session, actor.team, job).id


async def opened(
    request: Request,
    job: Annotated[UUID, Depends(known_job)],
    actor: MayReadJobs,
    after: Annotated[int, Query(ge=0, le=_SEQ_MAX, description="Number of the last event you have.")] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=_SEQ_MAX, description=_LAST_EVENT_ID)] = None,
) -> AsyncIterator[Stream]:
    """A stream for as long as the request lasts. Raises TooManyStreams."""
    lookout: Lookout = request.app.state.lookout
    with lookout.stream(actor.team, Cursor(job, after if last_event_id is None else last_event_id)) as stream:
        yield stream


@router.get(
    "/v1/jobs/{job}/events/stream",
    status_code=200,
    summary="Watch a job's history",
    response_class=EventStream,
    responses=_STREAMED,
)
async def stream_job_events(request: Request, stream: Annotated[Stream, Depends(opened)]) -> EventStream:
    """What `/events` lists, sent as it happens: `id` is the event's `seq`, `event` its `type`, `data` the event.

    Interrupted, it goes on exactly after `Last-Event-ID`. When the job is over and everything was sent, `event: done`
    with the job ends it. It also ends after some minutes, and with `event: reconnect` when the server stops: reconnect.
    """
    return EventStream(request.app.state.lookout, stream)


async def glimpsed(request: Request, actor: MayReadJobs) -> None:
    """For routes that tell what a job has said: workers listen more closely to one that is read."""
    with suppress(ids.UnknownId):  # what the route then says
        request.app.state.lookout.glimpse(actor.team, ids.read("job", request.path_params["job"]))


async def until_job_changes(
    request: Request,
    actor: MayReadJobs,
    wait: Annotated[
        int, Query(ge=0, le=WAIT_SECONDS_MAX, description="Answer when the state changes, or after so many seconds.")
    ] = 0,
) -> None:
    """For the route of a job: lets it go on when the job has left its state, at once if that was its last."""
    await _wait(request, actor, "job", request.path_params["job"], wait)


async def until_dataset_is_checked(
    request: Request,
    actor: MayReadDatasets,
    wait: Annotated[
        int,
        Query(ge=0, le=WAIT_SECONDS_MAX, description="Answer when it is ready or invalid, or after so many seconds."),
    ] = 0,
) -> None:
    """For the route of a dataset: lets it go on when there is a verdict."""
    await _wait(request, actor, "dset", request.path_params["dataset"], wait)


async def until_preparation_is_read(
    request: Request,
    actor: MayReadDatasets,
    wait: Annotated[
        int,
        Query(ge=0, le=WAIT_SECONDS_MAX, description="Answer when it is ready or refused, or after so many seconds."),
    ] = 0,
) -> None:
    """For the route of a preparation: lets it go on when the file has been read."""
    await _wait(request, actor, "prep", request.path_params["preparation"], wait)


async def until_connection_is_tested(
    request: Request,
    actor: Annotated[Actor, May("connections:read")],
    wait: Annotated[
        int, Query(ge=0, le=WAIT_SECONDS_MAX, description="Answer when it is done, or after so many seconds.")
    ] = 0,
) -> None:
    """For the route of a test: lets it go on when there is a result."""
    await _wait(request, actor, "ctest", request.path_params["test"], wait)


async def _wait(request: Request, actor: Actor, kind: Awaited, shown_id: str, seconds: int) -> None:
    if not seconds:
        return
    with suppress(ids.UnknownId):  # what the route then says
        waiting = Wait(actor.team_id, ids.read(kind, shown_id), kind)
        lookout: Lookout = request.app.state.lookout
        with lookout.watched(waiting):
            await _stirs(waiting, within=seconds)
