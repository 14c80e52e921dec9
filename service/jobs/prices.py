"""What a job may cost, and what that rests on. Pure: prices and counts come in."""

from dataclasses import dataclass
from decimal import Decimal

from service import catalog, costs, datasets
from service.jobs.errors import MaxCostRequired
from service.jobs.hours import HOURS, PAID_BY_HOUR
from service.jobs.rules import EPOCHS_AUTO_MAX
from service.jobs.schemas import Method


@dataclass(frozen=True, slots=True)
class Quote:
    """What is reserved (`high`), and what is likely; none is what nobody knows."""

    epochs: int | None  # none: the provider chooses, up to `epochs_priced`
    epochs_priced: int
    tokens_per_epoch: int
    low: Decimal | None
    expected: Decimal | None
    high: Decimal
    assumptions: tuple[str, ...]


def meter(method: Method) -> str:
    """What training by this method is paid by."""
    return HOURS if method.type in PAID_BY_HOUR else "training_tokens"


def quote(
    method: Method,
    base: catalog.BaseModelFacts,
    dataset: datasets.DatasetFacts,
    price: catalog.PriceFacts,
    *,
    max_cost: Decimal | None,
    share: Decimal = Decimal(1),
) -> Quote:
    """Price a job. Of `dataset` only this `share` may come to be trained on: then the whole is the most.

    Raises MaxCostRequired where the price is by the hour, and TokensNotCounted.
    """
    counted = dataset.billing_under(base.encoding, base.example_tokens_max)
    asked = method.hyperparameters.n_epochs
    if price.meter == HOURS:
        return _by_hour(asked, counted.billed_tokens, base, dataset, max_cost)
    epochs = None if asked == "auto" else asked or dataset.default_epochs
    likely = dataset.default_epochs if epochs is None else epochs
    least = 1 if epochs is None else epochs
    most = EPOCHS_AUTO_MAX if epochs is None else epochs
    tokens = counted.billed_tokens
    return Quote(
        epochs=epochs,
        epochs_priced=most,
        tokens_per_epoch=tokens,
        low=costs.quote(price, int(tokens * share) * least),
        expected=costs.quote(price, int(tokens * share) * likely),
        high=costs.quote(price, tokens * most),
        assumptions=(*_epochs(asked, dataset, most), *_tokens(method, base, counted, share)),
    )


def _by_hour(
    asked: int | str | None,
    tokens: int,
    base: catalog.BaseModelFacts,
    dataset: datasets.DatasetFacts,
    max_cost: Decimal | None,
) -> Quote:
    if max_cost is None:
        raise MaxCostRequired(model=base.id, pointer="#/budget/max_cost")
    epochs = asked if isinstance(asked, int) else None
    return Quote(
        epochs=epochs,
        epochs_priced=epochs or dataset.default_epochs,
        tokens_per_epoch=tokens,
        low=None,
        expected=None,
        high=max_cost,
        assumptions=(
            "training is paid by the hour, and nobody knows beforehand how many it takes",
            "high is your budget.max_cost: training is cancelled when its hours come to it",
            "what a grading model costs is not in it",
        ),
    )


def _epochs(asked: int | str | None, dataset: datasets.DatasetFacts, most: int) -> tuple[str, ...]:
    if asked == "auto":
        default = dataset.default_epochs
        return (
            f"the provider chooses the epochs: low is for 1, expected for our default of {default}, high for {most}",
        )
    chosen = "as asked" if asked else f"our default for {dataset.examples} examples"
    return (f"every example is trained {most} times, {chosen}",)


def _tokens(method: Method, base: catalog.BaseModelFacts, counted: datasets.Billing, share: Decimal) -> tuple[str, ...]:
    said = ["tokens are counted as the provider bills them", "validation tokens are free"]
    if method.type == "dpo":
        said.append("a pair is billed with both its answers: the provider publishes no rule")
    if counted.truncated_examples:
        said.append(f"{counted.truncated_examples} examples are cut to {base.example_tokens_max} tokens")
    if share != 1:
        said.append("the part to train on is not made yet: expected is its share of the tokens, high the whole")
    return tuple(said)
