"""What can be trained when, and what the seed says."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalog import seed
from service.catalog.errors import MethodUnsupported, ModelRetired, NotTrainable, TrainingClosed
from service.catalog.rules import UNITS, BaseModelFacts, is_trainable, refusal, resolve

DAY, LATE = date(2026, 11, 20), date(2027, 1, 6)
exhaustive = settings(derandomize=True, deadline=None, max_examples=300)

# reference/openai.md §5: training, input, cached input, output; USD per 1M tokens, o4-mini's training per hour.
PRICES = {
    "gpt-4.1-2025-04-14": ("25", "3.00", "0.75", "12.00"),
    "gpt-4.1-mini-2025-04-14": ("5", "0.80", "0.20", "3.20"),
    "gpt-4.1-nano-2025-04-14": ("1.50", "0.20", "0.05", "0.80"),
    "gpt-4o-2024-08-06": ("25", "3.75", "1.875", "15.00"),
    "gpt-4o-mini-2024-07-18": ("3", "0.30", "0.15", "1.20"),
    "o4-mini-2025-04-16": ("100", "4.00", "1.00", "16.00"),
    "gpt-3.5-turbo-0125": ("8", "3", None, "6"),
    "gpt-3.5-turbo-1106": ("8", "3", None, "6"),
    "gpt-3.5-turbo-0613": ("8", "3", None, "6"),
    "gpt-4-0613": ("90", "45", None, "90"),
    "davinci-002": ("6", "12", None, "12"),
    "babbage-002": ("0.40", "1.60", None, "1.60"),
    "davinci": ("30", "120", None, "120"),
    "curie": ("3", "12", None, "12"),
    "babbage": ("0.60", "2.40", None, "2.40"),
    "ada": ("0.40", "1.60", None, "1.60"),
}  # fmt: skip


def offer(provider: str) -> seed.Offer:
    return next(one for one in seed.offers() if one.models[0]["provider"] == provider)


def facts(row: seed.Row) -> BaseModelFacts:
    return BaseModelFacts(**row | {"aliases": tuple(row["aliases"]), "methods": tuple(row["methods"])})


OPENAI = {row["id"]: facts(row) for row in offer("openai").models}


def test_every_model_that_ever_could_be_tuned_has_its_prices() -> None:
    latest: dict[tuple[str, str], Any] = {}
    for row in sorted(offer("openai").prices, key=lambda row: row["effective_from"]):
        latest[row["model"], row["meter"]] = row["amount"]
    for model, (training, *inference) in PRICES.items():
        meter = "training_hours" if model.startswith("o4") else "training_tokens"
        assert latest.pop((model, meter)) == Decimal(training)
        for name, amount in zip(("input_tokens", "cached_input_tokens", "output_tokens"), inference, strict=True):
            assert latest.pop((model, name), None) == (Decimal(amount) if amount else None)
    assert not latest
    assert {one.id for one in OPENAI.values() if one.methods} == PRICES.keys()


def test_the_seed_is_sound() -> None:
    names: list[str] = []
    for one in OPENAI.values():
        names += [one.id, *one.aliases]
        assert one.replacement is None or one.replacement in OPENAI
        assert bool(one.methods) == (one.example_tokens_max > 0)
        assert one.encoding in ("r50k_base", "cl100k_base", "o200k_base")
        assert one.format in ("chat", "prompt_completion")
    assert len(names) == len(set(names))
    for row in offer("openai").prices:
        assert row["unit_quantity"] == UNITS[row["meter"]]
        assert row["currency"] == "USD"


def test_four_models_are_left_until_the_sixth_of_january() -> None:
    left = ["gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"]
    assert sorted(one.id for one in OPENAI.values() if is_trainable(one, DAY)) == left
    assert sorted(one.id for one in OPENAI.values() if is_trainable(one, date(2027, 1, 5))) == left
    assert not [one.id for one in OPENAI.values() if is_trainable(one, LATE)]


def test_the_emulators_world_stays_on_its_day() -> None:
    emulated = {row["id"]: facts(row) for row in offer("emulator").models}
    assert emulated.keys() == OPENAI.keys()
    for day in (DAY, date(2027, 6, 1), date(2040, 1, 1)):
        for name, one in emulated.items():
            assert is_trainable(one, day) == is_trainable(OPENAI[name], DAY)
    strip = {"provider": "emulator"}
    assert [row | strip for row in offer("openai").prices] == offer("emulator").prices


LEFT = "gpt-4.1-2025-04-14, gpt-4.1-mini-2025-04-14, gpt-4o-2024-08-06, gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    ("asked", "method", "day", "kind", "why", "instead"),
    [
        (
            "gpt-3.5-turbo", "supervised", DAY, ModelRetired,
            "gpt-3.5-turbo-0125 was retired on 2026-10-23",
            "train gpt-4.1-mini-2025-04-14 instead",
        ),
        (
            "curie", None, DAY, ModelRetired,
            "curie was retired on 2024-01-04",
            "train gpt-4.1-mini-2025-04-14 instead",
        ),
        (
            "o4-mini", "reinforcement", DAY, ModelRetired,
            "o4-mini-2025-04-16 was retired on 2026-10-23",
            "there is nothing for reinforcement fine-tuning at openai (its replacement is gpt-4.1-mini-2025-04-14)",
        ),
        (
            "gpt-4o", "supervised", LATE, TrainingClosed,
            "gpt-4o-2024-08-06 has been closed to training since 2027-01-06",
            "there is nothing for supervised fine-tuning at openai (its replacement is gpt-6-luna)",
        ),
        (
            "gpt-4o-2024-11-20", "dpo", DAY, NotTrainable,
            "gpt-4o-2024-11-20 cannot be fine-tuned at openai",
            "train gpt-4o-2024-08-06 instead",
        ),
        (
            "gpt-6-luna", None, DAY, NotTrainable,
            "gpt-6-luna cannot be fine-tuned at openai",
            f"fine-tuning takes {LEFT}",
        ),
        (
            "gpt-4.1", "reinforcement", DAY, MethodUnsupported,
            "gpt-4.1-2025-04-14 cannot be trained with reinforcement, only with supervised and dpo",
            "there is nothing for reinforcement fine-tuning at openai (its replacement is gpt-6-luna)",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_what_to_train_instead(
    *, asked: str, method: str | None, day: date, kind: type[NotTrainable], why: str, instead: str
) -> None:
    model = resolve(OPENAI.values(), asked)
    assert model is not None
    refused = refusal(OPENAI, model, day, method)
    assert type(refused) is kind
    assert refused.message == f"{why}; {instead}."


days = st.dates(date(2020, 1, 1), date(2030, 1, 1))
names = st.sampled_from(["a", "b", "c", "d"])
models = st.builds(
    BaseModelFacts,
    provider=st.just("p"),
    id=names,
    aliases=st.just(()),
    methods=st.sampled_from([(), ("supervised",), ("supervised", "dpo"), ("reinforcement",)]),
    format=st.just("chat"),
    vision=st.booleans(),
    encoding=st.just("o200k_base"),
    example_tokens_max=st.just(1),
    trainable_until=st.none() | days,
    shutdown_date=st.none() | days,
    replacement=st.none() | names | st.just("elsewhere"),
    hyperparameters=st.just({}),
)
catalogs = st.lists(models, min_size=1, unique_by=lambda one: one.id).map(lambda some: {one.id: one for one in some})
methods = st.sampled_from([None, "supervised", "dpo", "reinforcement"])


@exhaustive
@given(models, days, st.integers(0, 2000), methods)
def test_what_is_closed_once_never_opens_again(
    model: BaseModelFacts, day: date, later: int, method: str | None
) -> None:
    assert is_trainable(model, day, method) or not is_trainable(model, day + timedelta(later), method)


@exhaustive
@given(catalogs, days, methods, st.data())
def test_a_refusal_never_sends_anybody_to_a_model_that_refuses(
    catalog: dict[str, BaseModelFacts], day: date, method: str | None, data: st.DataObject
) -> None:
    model = catalog[data.draw(st.sampled_from(sorted(catalog)))]
    refused = refusal(catalog, model, day, method)
    assert (refused is None) == is_trainable(model, day, method)
    if refused is not None:
        before, named, _ = f"{refused.message} ".partition("; train ")
        if named:
            suggested = refused.message.removeprefix(before + named).split()[0]
            assert is_trainable(catalog[suggested], day, method)
        else:
            left = [one.id for one in catalog.values() if is_trainable(one, day, method)]
            assert all(one in refused.message for one in left)


@exhaustive
@given(catalogs)
def test_an_alias_leads_to_its_snapshot_and_a_snapshot_to_itself(catalog: dict[str, BaseModelFacts]) -> None:
    aliased = [replace(one, aliases=(f"{one.id}-latest",)) for one in catalog.values()]
    for one in aliased:
        assert resolve(aliased, one.id) is one
        assert resolve(aliased, one.aliases[0]) is one
    assert resolve(aliased, "nothing") is None
