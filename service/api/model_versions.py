"""/v1/models/{name}/versions/{number}: one version, its notes and its end."""

from typing import Annotated, Final

from fastapi import APIRouter, Path

from service import registry
from service.api.deps import MayAsTeam
from service.api.errors import problems
from service.api.models import Name
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor

router = APIRouter(tags=["models"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The version's number.", examples=[3])]
MayWrite = Annotated[Actor, MayAsTeam("models:write")]
_VERSION: Final = "/v1/models/{name}/versions/{number}"


@router.get(_VERSION, summary="Get a version", responses=problems(401, 403, 404, 422, 503))
def get_version(name: Name, number: Number, actor: Annotated[Actor, MayAsTeam("models:read")]) -> registry.VersionView:
    """Where it comes from, whether the provider answers for it, and how it was evaluated."""
    with read_only(actor) as session:
        return registry.numbered_version(session, actor.team, name, number)


@router.patch(_VERSION, summary="Write a version's notes", responses=problems(401, 403, 404, 422, 503))
def annotate_version(name: Name, number: Number, body: registry.VersionNotes, actor: MayWrite) -> registry.VersionView:
    """Replace what people should know of it."""
    with unit_of_work(actor) as session:
        return registry.annotate(session, actor, name, number, body.notes)


@router.put(f"{_VERSION}/retirement", summary="Retire a version", responses=problems(401, 403, 404, 409, 422, 503))
def retire_version(name: Name, number: Number, body: registry.Retirement, actor: MayWrite) -> registry.VersionView:
    """Take it out of service for good: no alias can be moved to it any more. At the provider it stays.

    409 `version_served` while an alias sends it any traffic. Repeating it changes nothing.
    """
    with unit_of_work(actor) as session:
        return registry.retire(session, actor, name, number, reason=body.reason, at=clock.now())
