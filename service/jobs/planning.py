"""A request thought through: what would be trained, where, and for how much. Reads only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from service import catalog, connections, costs, datasets, quotas, tenants
from service.jobs import bases, cautions, legacy, prices
from service.jobs.errors import (
    DatasetNotReady,
    DatasetUnusable,
    FormatUnsuitable,
    LegacyConflict,
    OptionUnsupported,
    TooManyItems,
    ValidationRequired,
)
from service.jobs.models import Job
from service.jobs.prices import Quote
from service.jobs.schemas import (
    Available,
    Estimate,
    JobRequest,
    JobWarning,
    Method,
    PriceRange,
    Unavailable,
    method_of,
)
from service.kit import ids
from service.kit.errors import Conflict, Forbidden, Invalid
from service.kit.identity import Actor

_FORMATS: Final = {"dpo": "preference", "reinforcement": "reinforcement"}  # supervised: the base model's own
_ITEMS_MAX: Final = {"train": 50_000, "measure": 1_000}  # of reinforcement (openai.md §3.4)
_WORDS: Final = {
    "chat": "conversations",
    "preference": "preference pairs",
    "reinforcement": "reinforcement items",
    "prompt_completion": "prompt/completion pairs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Who trains what, on what and where: a request, or a job's row, with every name resolved."""

    team: tenants.TeamFacts
    connection: connections.ConnectionFacts
    base: catalog.BaseModelFacts
    start_from: str | None  # the tuned model that training goes on from
    dataset: datasets.DatasetFacts
    validation: datasets.DatasetFacts | None
    method: Method
    max_cost: Decimal | None

    @property
    def is_ready(self) -> bool:
        """Whether the data has been checked. Until then nobody knows what it costs."""
        return all(one.state == datasets.State.READY for one in (self.dataset, self.validation) if one is not None)


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe with its price: what would be trained, where, and for how much."""

    recipe: Recipe
    price: catalog.PriceFacts
    quote: Quote
    leak: datasets.Leak | None  # what training and validation data share, where that is known

    @property
    def team(self) -> tenants.TeamFacts:
        return self.recipe.team

    @property
    def cost(self) -> Decimal:
        """What is reserved."""
        return self.quote.high

    @property
    def tokens(self) -> int:
        """What is trained on at most. Of what is paid by the hour nobody knows, and no limit counts it."""
        return self.quote.tokens_per_epoch * self.quote.epochs_priced if self.price.meter == "training_tokens" else 0

    @property
    def warnings(self) -> list[JobWarning]:
        """What the data gives reason to say."""
        is_auto = self.recipe.method.hyperparameters.n_epochs == "auto" and self.quote.expected is not None
        auto_epochs = self.quote.epochs_priced if is_auto else None
        return cautions.of_data(self.recipe.dataset, auto_epochs=auto_epochs, leak=self.leak)


def estimate(session: Session, actor: Actor, request: JobRequest, at: datetime) -> Estimate:
    """What `submit` would hold for the same request, or what is missing to say so. Unknown ids are still errors."""
    try:
        modern, warnings = legacy.modernised(request)
        recipe = resolve(session, actor, modern, at, as_sent=request)
        found = priced(session, recipe, at, split=modern.split)
    except (LegacyConflict, OptionUnsupported):
        raise
    except (Conflict, Forbidden, Invalid) as missing:
        return Unavailable(reason=missing.code, message=missing.message)
    warnings += cautions.of_request(modern, base=recipe.base.id, shutdown=recipe.base.shutdown_date, at=at)
    budget, quote = quotas.budget(session, found.team, at), found.quote
    by_tokens = quote.expected is not None
    return Available(
        tokens_per_epoch=quote.tokens_per_epoch,
        epochs=quote.epochs_priced if by_tokens else None,
        tokens=quote.tokens_per_epoch * quote.epochs_priced if by_tokens else None,
        price=PriceRange(low=quote.low, expected=quote.expected, high=quote.high),
        currency=found.price.currency,
        meter=found.price.meter,
        unit_price=costs.quote(found.price, 1_000_000 if by_tokens else 3_600),
        price_version=ids.show("price", found.price.id),
        fits_budget=budget.fits(quote.high),
        budget_left=budget.left,
        fits_max_cost=None if recipe.max_cost is None else quote.high <= recipe.max_cost,
        needs_approval=quotas.limits(session, found.team.id).asks_approval(quote.high),
        assumptions=list(quote.assumptions),
        warnings=[*warnings, *found.warnings],
    )


def plan_again(session: Session, job: Job, at: datetime) -> Plan:
    """The plan of a job's row, for one that waited for its dataset. Raises what has come into its way meanwhile."""
    return priced(session, recipe_of(session, job, at), at)


def resolve(session: Session, actor: Actor, request: JobRequest, at: datetime, *, as_sent: JobRequest) -> Recipe:
    """Every name of a modern request as what it means. Raises what is unknown, not to be trained, or beyond repair."""
    team = tenants.team(session, actor.team)
    connection = connections.of_team(session, team)
    method = request.method
    base, start_from = bases.resolve(session, team, connection, at, model=request.model, method=method.type)
    check_hyperparameters(base, method, partial(legacy.place, as_sent))
    if method.type == "reinforcement" and request.validation_dataset is None and request.split is None:
        raise ValidationRequired(pointer="#/validation_dataset")
    dataset, validation = _dataset(session, team, request.dataset, "#/dataset"), None
    if request.validation_dataset is not None:
        validation = _dataset(session, team, request.validation_dataset, "#/validation_dataset")
    return Recipe(
        team=team,
        connection=connection,
        base=base,
        start_from=start_from,
        dataset=dataset,
        validation=validation,
        method=method,
        max_cost=request.budget.max_cost if request.budget else None,
    )


def recipe_of(session: Session, job: Job, at: datetime) -> Recipe:
    """What a job's row asks for, as it stands now. Raises the same as `resolve`."""
    team = tenants.team(session, job.team_id)
    connection = connections.find(session, ids.show("conn", job.connection_id))
    measured_on = job.validation_dataset_id
    base = bases.trainable(session, team, connection.provider, at, model=job.base_model, method=job.method)
    method = method_of(job)
    check_hyperparameters(base, method, "#/method/hyperparameters/{}".format)
    return Recipe(
        team=team,
        connection=connection,
        base=base,
        start_from=job.start_from,
        dataset=_usable(datasets.facts(session, job.team_id, job.dataset_id), "#/dataset"),
        validation=_usable(datasets.facts(session, job.team_id, measured_on), "#/validation_dataset")
        if measured_on
        else None,
        method=method,
        max_cost=job.max_cost,
    )


def priced(session: Session, recipe: Recipe, at: datetime, *, split: datasets.SplitRequest | None = None) -> Plan:
    """The plan of a recipe whose data has been checked; with `split`, of one whose data will be a part of that.

    Raises DatasetNotReady, FormatUnsuitable, TooManyItems, MaxCostRequired or PriceUnknown.
    """
    if not recipe.is_ready:
        raise DatasetNotReady(dataset=ids.show("dset", recipe.dataset.id), pointer="#/dataset", retry_after_seconds=1)
    _check_data(recipe, recipe.dataset, "train", "#/dataset")
    if recipe.validation is not None:
        _check_data(recipe, recipe.validation, "measure", "#/validation_dataset")
    method, base = recipe.method, recipe.base
    price = catalog.price(session, recipe.connection.provider, base.id, prices.meter(method), at)
    share = Decimal(1) if split is None else _share(split, recipe.dataset.examples)
    quote = prices.quote(method, base, recipe.dataset, price, max_cost=recipe.max_cost, share=share)
    return Plan(recipe, price, quote, _leak(session, recipe))


def _leak(session: Session, recipe: Recipe) -> datasets.Leak | None:
    if recipe.validation is None:
        return None
    return datasets.leak(session, recipe.team.id, recipe.dataset.id, recipe.validation.id)


def _share(split: datasets.SplitRequest, examples: int) -> Decimal:
    """How much of the examples is left to train on."""
    if split.validation_fraction is not None:
        return 1 - split.validation_fraction
    return max(Decimal(0), 1 - Decimal(split.validation_count or 0) / max(1, examples))


def check_hyperparameters(base: catalog.BaseModelFacts, method: Method, place: Callable[[str], str]) -> None:
    """Hold the method to the base model's ranges. Raises OptionUnsupported, blaming the place of that name."""
    for name, allowed in base.ranges[method.type].items():
        value = getattr(method.hyperparameters, name)
        if value is not None and not allowed.takes(value):
            where = place(name)
            raise OptionUnsupported(field=name, allowed=str(allowed), model=base.id, given=str(value), pointer=where)


def _check_data(recipe: Recipe, dataset: datasets.DatasetFacts, purpose: str, pointer: str) -> None:
    needed = _FORMATS.get(recipe.method.type, recipe.base.format)
    if dataset.format != needed:
        raise FormatUnsuitable(
            method=recipe.method.type,
            model=recipe.base.id,
            needed=_WORDS[needed],
            dataset=ids.show("dset", dataset.id),
            found=_WORDS.get(dataset.format or "", dataset.format),
            pointer=pointer,
        )
    most = _ITEMS_MAX[purpose]
    if recipe.method.type == "reinforcement" and dataset.examples > most:
        shown = ids.show("dset", dataset.id)
        raise TooManyItems(dataset=shown, examples=dataset.examples, most=most, purpose=purpose, pointer=pointer)


def _dataset(session: Session, team: tenants.TeamFacts, shown_id: str, pointer: str) -> datasets.DatasetFacts:
    try:
        facts = datasets.facts(session, team.id, ids.read("dset", shown_id), pointer=pointer)
    except ids.UnknownId as error:
        raise datasets.DatasetUnknown(id=shown_id, pointer=pointer) from error
    return _usable(facts, pointer)


def _usable(facts: datasets.DatasetFacts, pointer: str) -> datasets.DatasetFacts:
    """The same, if it may be trained on once it is checked. Raises DatasetUnusable or DatasetErased."""
    if facts.state == datasets.State.ARCHIVED:
        raise datasets.DatasetErased(id=ids.show("dset", facts.id), at=facts.erase_requested_at, pointer=pointer)
    if facts.state == datasets.State.INVALID:
        raise DatasetUnusable(dataset=ids.show("dset", facts.id), pointer=pointer)
    return facts
