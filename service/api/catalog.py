"""Base models, the same for every team."""

from typing import Annotated

from fastapi import APIRouter, Query

from service import catalog
from service.api.deps import May
from service.api.errors import problems
from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import Actor
from service.kit.pages import Page, page_of

router = APIRouter(tags=["catalog"])

MayRead = Annotated[Actor, May("catalog:read")]
NAME = r"^[\x21-\x7e]+$"
Provider = Annotated[str | None, Query(pattern=NAME, description="Only this provider's.", examples=["openai"])]


@router.get("/v1/base-models", summary="List base models", responses=problems(401, 403, 422))
def list_base_models(actor: MayRead, provider: Provider = None) -> Page[catalog.BaseModelView]:
    """Every base model on one page, by provider and id. Retired ones too: see `trainable` and `why_not`."""
    with read_only(actor) as session:
        return page_of(catalog.list_base_models(session, clock.now(), provider=provider), has_more=False)
