"""Provider accounts, for operators: add, change, rotate keys, pause, test. No answer has a key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from service import connections, jobs
from service.api import streams
from service.api.deps import May
from service.api.errors import problems
from service.connections import ConnectionTestView, ConnectionView
from service.kit.db import read_only, unit_of_work
from service.kit.identity import WORKER, Actor
from service.kit.ids import read, show
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page

router = APIRouter(tags=["connections"])

ConnectionRef = Annotated[
    str, Path(description="Id or name of the connection.", examples=["conn_01k8z0q3v6fq0r2m9t6c4x5y7z"])
]
TestRef = Annotated[str, Path(description="Id of the test.", examples=["ctest_01k8z0q3v6fq0r2m9t6c4x5y7z"])]
BaseModel = Annotated[str, Path(max_length=128, description="The base model's id.", examples=["gpt-4.1-mini"])]
MayRead = Annotated[Actor, May("connections:read")]
MayWrite = Annotated[Actor, May("connections:write")]


@router.post(
    "/v1/connections", status_code=201, summary="Add a provider account", responses=problems(401, 403, 409, 422)
)
def create_connection(body: connections.ConnectionCreate, response: Response, actor: MayWrite) -> ConnectionView:
    """Add an account. Nobody uses it until a team chooses it or it is made the default; test it before."""
    with unit_of_work(actor) as session:
        made = connections.create(session, actor, **dict(body))
        view = connections.show_connection(session, show("conn", made.id))
    response.headers["Location"] = f"/v1/connections/{view.id}"
    return view


@router.get("/v1/connections", summary="List provider accounts", responses=problems(401, 403, 404, 422))
def list_connections(
    actor: MayRead,
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
) -> Page[ConnectionView]:
    """All accounts, newest first, with how they are doing; archived ones included."""
    with read_only(actor) as session:
        return connections.list_connections(session, after=read("conn", after) if after else None, limit=limit)


@router.get("/v1/connections/{connection}", summary="Read a provider account", responses=problems(401, 403, 404))
def get_connection(connection: ConnectionRef, actor: MayRead) -> ConnectionView:
    """How the account is used and how it is doing: an operator's pause, and circuits that are open."""
    with read_only(actor) as session:
        return connections.show_connection(session, connection)


@router.patch(
    "/v1/connections/{connection}", summary="Change a provider account", responses=problems(401, 403, 404, 409, 422)
)
def update_connection(connection: ConnectionRef, body: connections.ConnectionUpdate, actor: MayWrite) -> ConnectionView:
    """Change what the body names. The key is sent to whatever address is set, so set the one before the other."""
    with unit_of_work(actor) as session:
        account = connections.show_connection(session, connection).id
        connections.update_connection(session, actor, account, body)
        return connections.show_connection(session, account)


@router.post("/v1/connections/{connection}/key", summary="Replace a key", responses=problems(401, 403, 404, 409, 422))
def replace_key(connection: ConnectionRef, body: connections.KeyReplace, actor: MayWrite) -> ConnectionView:
    """Rotate the key: calls under way end with the old one, the next is made with the new one. Then revoke the old one.

    What held calls back because of the old key is forgotten, and jobs that waited are taken up again.
    """
    with unit_of_work(actor) as session:
        connections.replace_key(session, actor, connection, body.api_key)
        view = connections.show_connection(session, connection)
    _wake_jobs(view)
    return view


@router.put(
    "/v1/connections/{connection}/webhook-secret",
    summary="Set the secret of the provider's webhooks",
    responses=problems(401, 403, 404, 409, 422),
)
def set_webhook_secret(
    connection: ConnectionRef, body: connections.WebhookSecretSet, actor: MayWrite
) -> ConnectionView:
    """What the provider showed when the endpoint was made there; its webhooks are checked against it."""
    with unit_of_work(actor) as session:
        connections.set_webhook_secret(session, actor, connection, body.secret)
        return connections.show_connection(session, connection)


@router.put(
    "/v1/connections/{connection}/admin-key",
    summary="Set the key its costs and usage are read with",
    responses=problems(401, 403, 404, 409, 422),
)
def set_admin_key(connection: ConnectionRef, body: connections.AdminKeySet, actor: MayWrite) -> ConnectionView:
    """An admin key of the organisation. Set it on one account of each organisation: it tells of all its projects.

    An account with a `project` is told of that one alone. Without a key nothing is metered or reconciled there.
    """
    with unit_of_work(actor) as session:
        connections.set_admin_key(session, actor, connection, body.admin_key)
        return connections.show_connection(session, connection)


@router.put(
    "/v1/connections/{connection}/slots/{model}",
    summary="Set how many jobs of a model go there at a time",
    responses=problems(401, 403, 404, 409, 422),
)
def set_slots(
    connection: ConnectionRef, model: BaseModel, body: connections.SlotsSet, actor: MayWrite
) -> ConnectionView:
    """Jobs beyond that wait for their turn; those that are there already stay."""
    with unit_of_work(actor) as session:
        connections.set_slots(session, actor, connection, model, body.slots)
        return connections.show_connection(session, connection)


@router.post(
    "/v1/connections/{connection}/pause",
    summary="Pause a provider account",
    responses=problems(401, 403, 404, 409, 422),
)
def pause_connection(connection: ConnectionRef, body: connections.PauseRequest, actor: MayWrite) -> ConnectionView:
    """Let nothing new go there until it is resumed. Jobs wait with the reason; those at the provider are followed."""
    with unit_of_work(actor) as session:
        connections.pause(session, actor, connection, body.reason)
        return connections.show_connection(session, connection)


@router.post(
    "/v1/connections/{connection}/resume", summary="Resume a provider account", responses=problems(401, 403, 404, 409)
)
def resume_connection(connection: ConnectionRef, actor: MayWrite) -> ConnectionView:
    """End the pause and close the circuits; jobs that waited are taken up at once."""
    with unit_of_work(actor) as session:
        connections.resume(session, actor, connection)
        view = connections.show_connection(session, connection)
    _wake_jobs(view)
    return view


@router.post(
    "/v1/connections/{connection}/archive", summary="Archive a provider account", responses=problems(401, 403, 404, 409)
)
def archive_connection(connection: ConnectionRef, actor: MayWrite) -> ConnectionView:
    """Retire an account that no team has chosen, that is not the default and on which all jobs are over."""
    with unit_of_work(actor) as session:
        connections.archive(session, actor, connection, jobs_open=lambda account: jobs.open_on(session, account))
        return connections.show_connection(session, connection)


@router.post(
    "/v1/connections/{connection}/test",
    status_code=202,
    summary="Test a provider account",
    responses=problems(401, 403, 404, 409),
)
def test_connection(connection: ConnectionRef, response: Response, actor: MayWrite) -> ConnectionTestView:
    """Have a worker list the account's models, paused or not. Nothing is created; look at `Location` for the result."""
    with unit_of_work(actor) as session:
        test = show("ctest", connections.request_test(session, actor, connection))
        view = connections.show_test(session, connection, test)
    response.headers["Location"] = f"/v1/connections/{view.connection}/tests/{view.id}"
    return view


@router.get(
    "/v1/connections/{connection}/tests/{test}",
    summary="Read a test of a provider account",
    responses=problems(401, 403, 404, 422),
    dependencies=[Depends(streams.until_connection_is_tested)],
)
def get_connection_test(connection: ConnectionRef, test: TestRef, actor: MayRead) -> ConnectionTestView:
    """What came of it; with `?wait=30` as soon as it is known."""
    with read_only(actor) as session:
        return connections.show_test(session, connection, test)


def _wake_jobs(view: ConnectionView) -> None:
    """After the commit, and in a unit of its own: only workers may touch the jobs of all teams."""
    with unit_of_work(WORKER) as session:
        jobs.wake_all(session, read("conn", view.id))
