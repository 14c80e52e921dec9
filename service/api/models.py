"""/v1/models: a team's tuned models, which version an alias means, and what to call."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response, Security

from service import jobs, registry, tenants
from service.api.answers import ALIAS_DEFAULT, SCOPE
from service.api.deps import BEARER, MayAsTeam
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.errors import NotFound
from service.kit.identity import SYSTEM, Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page

router = APIRouter(tags=["models"])

Name = Annotated[str, Path(description="The model's name within your team.", examples=["support-bot"])]


MayRead = Annotated[Actor, MayAsTeam("models:read")]


@router.get("/v1/models", summary="List models", responses=problems(401, 403, 404, 422, 503))
def list_models(
    actor: MayRead, *,
    name: Annotated[str | None, Query(max_length=63, description="Only names that contain this.")] = None,
    base_model: Annotated[str | None, Query(max_length=255, description="With a version of this base model.")] = None,
    state: Annotated[registry.State | None, Query(description="With a version in this state.")] = None,
    retiring_within: Annotated[
        str | None,
        Query(pattern=r"^\d{1,4}d$", description="With a version in service that is shut down within so many days."),
    ] = None,
    shared: Annotated[bool, Query(description="Those of other teams that yours may read, instead of its own.")] = False,
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
) -> Page[registry.ModelView]:  # fmt: skip
    """Your team's models with their versions and aliases, newest first; a version shut down already counts too."""
    by = clock.now().date() + timedelta(days=int(retiring_within[:-1])) if retiring_within else None
    wanted = registry.Search(name, base_model, state, by, shared)
    with read_only(actor) as session:
        older_than = read("model", after) if after else None
        return registry.list_models(session, actor.team, wanted, after=older_than, limit=limit)


@router.get("/v1/models/{name}", summary="Get a model", responses=problems(401, 403, 404, 503))
def get_model(name: Name, actor: MayRead) -> registry.ModelView:
    """One model with its versions, newest first, and its aliases. `owner:name` is one another team shares with you."""
    with read_only(actor) as session:
        return registry.find_model(session, actor.team, name)


@router.patch("/v1/models/{name}", summary="Change a model", responses=problems(401, 403, 404, 422, 503))
def update_model(
    name: Name, body: registry.ModelUpdate, actor: Annotated[Actor, MayAsTeam("models:write")]
) -> registry.ModelView:
    """Who may read it, its notes, and what to call when no version answers. What you leave out stays as it is."""
    teams = _teams(body.shared_with) if "shared_with" in body.model_fields_set else None
    with unit_of_work(actor) as session:
        return registry.update_model(session, actor, name, body, teams)


def _teams(slugs: list[str]) -> dict[str, UUID]:
    """Ids of teams by slug: of others a team's own unit knows nothing. Raises UnknownTeam, blaming the item."""
    found = {}
    with read_only(SYSTEM) as session:
        for place, slug in enumerate(slugs):
            try:
                team = tenants.find_team(session, slug)
            except NotFound as error:
                raise registry.UnknownTeam(team=slug, pointer=f"#/shared_with/{place}") from error
            found[team.slug] = team.id
    return found


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
