"""GET /v1/me: who is calling."""

from typing import Annotated

from fastapi import APIRouter

from service import tenants
from service.api.deps import May
from service.api.errors import problems
from service.kit.db import read_only
from service.kit.identity import AUTH, Actor
from service.kit.settings import settings

router = APIRouter(tags=["me"])


@router.get("/v1/me", summary="Who am I", responses=problems(401, 403))
def get_me(actor: Annotated[Actor, May("me:read")]) -> tenants.Me:
    """The key's team, role, scopes and expiry."""
    with read_only(AUTH, seconds=settings().auth_seconds) as session:
        return tenants.me(session, actor)
