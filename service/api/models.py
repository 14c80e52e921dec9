"""/v1/models: a team's tuned models, which version an alias means, and what to call."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response, Security

from service import jobs, registry
from service.api.answers import ALIAS_DEFAULT, SCOPE
from service.api.deps import BEARER, MayAsTeam
from service.api.errors import problems
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page

router = APIRouter(tags=["models"])

Name = Annotated[str, Path(description="The model's name within your team.", examples=["support-bot"])]


@router.get("/v1/models", summary="List models", responses=problems(401, 403, 404, 503))
def list_models(
    actor: Annotated[Actor, MayAsTeam("models:read")],
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
) -> Page[registry.ModelView]:
    """Your team's models with their versions and aliases, newest first."""
    with read_only(actor) as session:
        return registry.list_models(session, actor.team, after=read("model", after) if after else None, limit=limit)


@router.get("/v1/models/{name}", summary="Get a model", responses=problems(401, 403, 404, 503))
def get_model(name: Name, actor: Annotated[Actor, MayAsTeam("models:read")]) -> registry.ModelView:
    """One model with its versions, newest first, and its aliases."""
    with read_only(actor) as session:
        return registry.find_model(session, actor.team, name)


@router.post(
    "/v1/models/{name}/versions",
    status_code=201,
    summary="Make a job's model a version",
    responses=problems(401, 403, 404, 409, 422, 503),
)
def create_version(
    name: Name, body: jobs.VersionRequest, actor: Annotated[Actor, MayAsTeam("models:write")]
) -> registry.VersionView:
    """Add a checkpoint of a job, or its final model, as the next version; the model is made if the name is new.

    It is `loading` until the provider answers for it, like any other. Repeating it gives the version it became.
    """
    with unit_of_work(actor) as session:
        return jobs.register_version(session, actor, name, body)


_MAY_RESOLVE: Final = [Security(BEARER, scopes=[SCOPE])]
_RESOLVED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": registry.ResolutionView, "content": {"text/plain": {"schema": {"type": "string"}}}},
    304: {"description": "What your If-None-Match names is still current"},
    **problems(401, 403, 404, 503),
}


def resolve_model(
    request: Request,
    name: Name,
    alias: Annotated[str, Query(description="Which place of use.")] = ALIAS_DEFAULT,  # noqa: ARG001 - read from the query
) -> Response:
    """Which model id to call now: JSON, or the bare id for `Accept: text/plain`.

    Answered from memory, also while the database is away: then with an `Age`. Keep the answer for `max-age`, ask again
    with `If-None-Match`, and go on with what you have when we do not answer. A key or alias made a moment ago may be
    unknown for up to a second, at worst for `resolve_poll_seconds`.
    """
    answered = request.app.state.resolver.answer(request.scope, name)
    response = Response(answered.body, status_code=answered.status)
    response.raw_headers = answered.headers
    return response


for _method, _summary in (("GET", "Resolve an alias"), ("HEAD", "Ask whether an alias has moved")):
    router.add_api_route(
        "/v1/models/{name}/resolve",
        resolve_model,
        methods=[_method],
        name="resolve_model" if _method == "GET" else "check_model",
        summary=_summary,
        responses=_RESOLVED,
        dependencies=_MAY_RESOLVE,
        response_class=Response,
    )
