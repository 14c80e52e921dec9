"""What `model` of a request means: a base model, or a tuned one of the team's that training goes on from."""

import re
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from service import catalog, connections, quotas, registry, tenants
from service.jobs import queries
from service.jobs.errors import TunedModelElsewhere, UnknownTunedModel

POINTER: Final = "#/model"
# Names as the registry takes them; whether there is such a one is the registry's to say.
_REGISTERED: Final = re.compile(r"registry:(?P<name>[^@]+)(?:@(?P<which>.+))?")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


def resolve(
    session: Session,
    team: tenants.TeamFacts,
    connection: connections.ConnectionFacts,
    at: datetime,
    *,
    model: str,
    method: str,
) -> tuple[catalog.BaseModelFacts, str | None]:
    """The base model, and the tuned model that training goes on from, if it is one.

    Only the team's own are known: what another team tuned does not exist. Raises UnknownTunedModel, the registry's
    errors, TunedModelElsewhere, and what stands in the way of training the base model.
    """
    tuned = _registered(session, team, model)
    if tuned is None:
        try:
            return trainable(session, team, connection.provider, at, model=model, method=method), None
        except catalog.UnknownBaseModel:  # `ft:…`, but not every provider names a tuned model so
            tuned = queries.tuned_by_job(session, team.id, model) or registry.tuned_by_id(session, team.id, model)
            if tuned is None and not model.startswith("ft:"):
                raise
    if tuned is None:
        raise UnknownTunedModel(model=model, pointer=POINTER)
    if tuned.connection_id != connection.id:
        raise TunedModelElsewhere(model=tuned.model, connection=connection.name, pointer=POINTER)
    return trainable(session, team, connection.provider, at, model=tuned.base_model, method=method), tuned.model


def trainable(
    session: Session, team: tenants.TeamFacts, provider: str, at: datetime, *, model: str, method: str
) -> catalog.BaseModelFacts:
    """The snapshot, if it can be trained by that method there and then, and by this team. Raises why not."""
    base = catalog.trainable(session, provider, model, at, method=method)
    quotas.check_job(session, team, model=base.id, method=method)
    return base


def _registered(session: Session, team: tenants.TeamFacts, model: str) -> registry.TunedModel | None:
    registered = _REGISTERED.fullmatch(model)
    if registered is None:
        return None
    which = registered["which"] or "production"
    number = int(which) if _NUMBER.fullmatch(which) else which
    return registry.tuned_model(session, team.id, registered["name"], number, pointer=POINTER)
