"""A request thought through: what would be trained, where, and for how much. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from sqlalchemy.orm import Session

from service import catalog, connections, costs, datasets, quotas, tenants
from service.jobs import rules
from service.jobs.errors import DatasetNotReady, DatasetUnusable
from service.jobs.models import Job
from service.jobs.schemas import Available, Estimate, JobRequest, Unavailable
from service.kit import ids, money
from service.kit.errors import Conflict, Forbidden, Invalid
from service.kit.identity import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Who trains what, on what and where: a request, or a job's row, with every name resolved."""

    team: tenants.TeamFacts
    connection: connections.ConnectionFacts
    base: catalog.BaseModelFacts
    dataset: datasets.DatasetFacts
    validation: datasets.DatasetFacts | None
    epochs: int | Literal["auto"] | None  # none: ours for this dataset

    @property
    def is_ready(self) -> bool:
        """Whether the data has been checked. Until then nobody knows what it costs."""
        return all(one.state == datasets.State.READY for one in (self.dataset, self.validation) if one is not None)


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe with its price: what would be trained, where, and for how much."""

    recipe: Recipe
    price: catalog.PriceFacts
    tokens_per_epoch: int
    epochs: int | None  # none: the provider chooses, up to `epochs_priced`
    epochs_priced: int

    @property
    def team(self) -> tenants.TeamFacts:
        return self.recipe.team

    @property
    def cost(self) -> Decimal:
        """What is reserved."""
        return costs.quote(self.price, self.tokens_per_epoch * self.epochs_priced)


def estimate(session: Session, actor: Actor, request: JobRequest, at: datetime) -> Estimate:
    """What `submit` would hold for the same request, or what is missing to say so. Unknown ids are still errors."""
    try:
        found = plan(session, actor, request, at)
    except (Conflict, Forbidden, Invalid) as missing:
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
    """Resolve every name of the request and price it. Raises what stands in its way."""
    return priced(session, resolve(session, actor, request, at), at)


def plan_again(session: Session, job: Job, at: datetime) -> Plan:
    """The same from a job's row, for one that waited for its dataset. Raises what has come into its way meanwhile."""
    return priced(session, recipe_of(session, job, at), at)


def resolve(session: Session, actor: Actor, request: JobRequest, at: datetime) -> Recipe:
    """Every name of the request as what it means. Raises what is unknown, not to be trained, or beyond repair."""
    team = tenants.team(session, actor.team)
    connection = connections.of_team(session, team)
    base = _trainable(session, team, connection.provider, at, model=request.model, method=request.method.type)
    validation = None
    if request.validation_dataset is not None:
        validation = _dataset(session, team, request.validation_dataset, "#/validation_dataset")
    return Recipe(
        team=team,
        connection=connection,
        base=base,
        dataset=_dataset(session, team, request.dataset, "#/dataset"),
        validation=validation,
        epochs=request.method.hyperparameters.n_epochs,
    )


def recipe_of(session: Session, job: Job, at: datetime) -> Recipe:
    """What a job's row asks for, as it stands now. Raises the same as `resolve`."""
    team = tenants.team(session, job.team_id)
    connection = connections.find(session, ids.show("conn", job.connection_id))
    validation = job.validation_dataset_id
    return Recipe(
        team=team,
        connection=connection,
        base=_trainable(session, team, connection.provider, at, model=job.base_model, method=job.method),
        dataset=_usable(datasets.facts(session, job.team_id, job.dataset_id), "#/dataset"),
        validation=_usable(datasets.facts(session, job.team_id, validation), "#/validation_dataset")
        if validation
        else None,
        epochs="auto" if job.options.get("n_epochs") == "auto" else job.epochs,
    )


def priced(session: Session, recipe: Recipe, at: datetime) -> Plan:
    """The plan of a recipe whose data has been checked. Raises DatasetNotReady, or PriceUnknown."""
    if not recipe.is_ready:
        raise DatasetNotReady(dataset=ids.show("dset", recipe.dataset.id), pointer="#/dataset", retry_after_seconds=1)
    base, dataset = recipe.base, recipe.dataset
    epochs = None if recipe.epochs == "auto" else recipe.epochs or dataset.default_epochs
    return Plan(
        recipe=recipe,
        price=catalog.price(session, recipe.connection.provider, base.id, "training_tokens", at),
        tokens_per_epoch=dataset.billed_tokens(base.encoding, base.example_tokens_max),
        epochs=epochs,
        epochs_priced=rules.EPOCHS_AUTO_MAX if epochs is None else epochs,
    )


def _trainable(
    session: Session, team: tenants.TeamFacts, provider: str, at: datetime, *, model: str, method: str
) -> catalog.BaseModelFacts:
    """The snapshot, if it can be trained by that method there and then, and by this team. Raises why not."""
    base = catalog.trainable(session, provider, model, at, method=method)
    quotas.check_job(session, team, model=base.id, method=method)
    return base


def _dataset(session: Session, team: tenants.TeamFacts, shown_id: str, pointer: str) -> datasets.DatasetFacts:
    try:
        facts = datasets.facts(session, team.id, ids.read("dset", shown_id), pointer=pointer)
    except ids.UnknownId as error:
        raise datasets.DatasetUnknown(id=shown_id, pointer=pointer) from error
    return _usable(facts, pointer)


def _usable(facts: datasets.DatasetFacts, pointer: str) -> datasets.DatasetFacts:
    """The same, if it may be trained on once it is checked. Raises DatasetUnusable."""
    if facts.state in {datasets.State.INVALID, datasets.State.ARCHIVED}:
        raise DatasetUnusable(dataset=ids.show("dset", facts.id), pointer=pointer)
    return facts
