"""A request thought through: what would be trained, where, and for how much. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from service import catalog, connections, costs, datasets, quotas, tenants
from service.jobs import rules
from service.jobs.errors import DatasetNotReady, DatasetUnusable
from service.jobs.schemas import Available, Estimate, JobRequest, Unavailable
from service.kit import ids, money
from service.kit.errors import Conflict, Invalid
from service.kit.identity import Actor


@dataclass(frozen=True, slots=True)
class Plan:
    """A request, resolved: what would be trained, where, and for how much."""

    team: tenants.TeamFacts
    connection: connections.ConnectionFacts
    base: catalog.BaseModelFacts
    dataset: datasets.DatasetFacts
    validation: datasets.DatasetFacts | None
    price: catalog.PriceFacts
    tokens_per_epoch: int
    epochs: int | None
    epochs_priced: int

    @property
    def cost(self) -> Decimal:
        return costs.quote(self.price, self.tokens_per_epoch * self.epochs_priced)


def estimate(session: Session, actor: Actor, request: JobRequest, at: datetime) -> Estimate:
    """What `submit` would hold for the same request, or what is missing to say so. Unknown ids are still errors."""
    try:
        found = plan(session, actor, request, at)
    except (Conflict, Invalid) as missing:
        return Unavailable(reason=missing.code, message=missing.message)
    left = quotas.budget(session, found.team, at).left
    assumptions = [f"every example is trained {found.epochs_priced} times", "validation tokens are free"]
    if found.epochs is None:
        assumptions[0] = f"the provider chooses the epochs: priced at its maximum of {found.epochs_priced}"
    return Available(
        tokens_per_epoch=found.tokens_per_epoch,
        epochs=found.epochs_priced,
        billed_tokens=found.tokens_per_epoch * found.epochs_priced,
        price=found.cost,
        price_per_million_tokens=costs.quote(found.price, 1_000_000),
        currency=found.price.currency,
        price_id=ids.show("price", found.price.id),
        fits_budget=found.cost <= left,
        budget_left=max(left, money.ZERO),
        assumptions=assumptions,
    )


def plan(session: Session, actor: Actor, request: JobRequest, at: datetime) -> Plan:
    """Resolve every name of the request. Raises what stands in its way."""
    team = tenants.team(session, actor.team)
    connection = connections.of_team(session, team)
    base = catalog.trainable(session, connection.provider, request.model, at, method=request.method.type)
    dataset = _ready_dataset(session, team, request.dataset, "#/dataset")
    validation = None
    if request.validation_dataset is not None:
        validation = _ready_dataset(session, team, request.validation_dataset, "#/validation_dataset")
    asked = request.method.hyperparameters.n_epochs
    epochs = None if asked == "auto" else asked or dataset.default_epochs
    return Plan(
        team=team,
        connection=connection,
        base=base,
        dataset=dataset,
        validation=validation,
        price=catalog.price(session, connection.provider, base.id, "training_tokens", at),
        tokens_per_epoch=dataset.billed_tokens(base.encoding, base.example_tokens_max),
        epochs=epochs,
        epochs_priced=rules.EPOCHS_AUTO_MAX if epochs is None else epochs,
    )


def _ready_dataset(session: Session, team: tenants.TeamFacts, shown_id: str, pointer: str) -> datasets.DatasetFacts:
    try:
        facts = datasets.facts(session, team.id, ids.read("dset", shown_id), pointer=pointer)
    except ids.UnknownId as error:
        raise datasets.DatasetUnknown(id=shown_id, pointer=pointer) from error
    if facts.state == datasets.State.INVALID:
        raise DatasetUnusable(dataset=shown_id, pointer=pointer)
    if facts.state != datasets.State.READY:
        raise DatasetNotReady(dataset=shown_id, pointer=pointer, retry_after_seconds=1)
    return facts
