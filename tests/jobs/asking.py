"""Requests, data and graders with defaults that make sense."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from service import catalog
from service.catalog import BaseModelFacts, seed
from service.jobs.schemas import JobRequest
from service.kit.db import unit_of_work
from service.kit.identity import CLI

DATASET: Final = "dset_01m7w6kt9eepp87nc93bk07v4n"
EXACT: Final[dict[str, Any]] = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.colour}}",
}
_ALIKE: Final = {
    "type": "text_similarity", "name": "alike", "input": "{{sample.output_text}}", "reference": "{{item.colour}}",
    "evaluation_metric": "fuzzy_match",
}  # fmt: skip
GRADERS: Final[dict[str, dict[str, Any]]] = {
    "string_check": EXACT,
    "text_similarity": _ALIKE,
    "python": {"type": "python", "name": "mine", "source": "def grade(sample, item):\n    return 1.0\n"},
    "score_model": {
        "type": "score_model",
        "name": "judge",
        "model": "gpt-4o-2024-08-06",
        "input": [{"type": "message", "role": "user", "content": "Rate {{sample.output_text}} from 0 to 1."}],
        "range": [0, 1],
        "sampling_params": {"temperature": 0.5},
    },
    "multi": {
        "type": "multi",
        "name": "both",
        "graders": {"exact": EXACT, "alike": _ALIKE},
        "calculate_output": "0.5 * exact + 0.5 * alike",
    },
}


def request(**body: Any) -> JobRequest:
    """A request for the base model `base`."""
    return JobRequest.model_validate({"model": "base", "dataset": DATASET, **body})


def a_base(**facts: Any) -> BaseModelFacts:
    """A base model that takes every method."""
    given: dict[str, Any] = {
        "provider": "p", "id": "base", "aliases": (), "methods": ("supervised", "dpo", "reinforcement"),
        "format": "chat", "vision": False, "encoding": "o200k_base", "example_tokens_max": 65_536,
        "trainable_until": None, "shutdown_date": None, "replacement": None, "hyperparameters": {},
    }  # fmt: skip
    return BaseModelFacts(**given | facts)


def pairs(count: int = 12, topic: str = "tide") -> bytes:
    """Preference pairs: a sure answer before an unsure one."""
    return _lines(
        {
            "input": {"messages": [{"role": "user", "content": f"What does the {topic} do at hour {n}?"}]},
            "preferred_output": [
                {"role": "assistant", "content": f"At hour {n} the {topic} turns {n * 7 % 13} times."}
            ],
            "non_preferred_output": [{"role": "assistant", "content": "I could not say."}],
        }
        for n in range(count)
    )


def items(count: int = 12, first: int = 0) -> bytes:
    """Reinforcement items whose answer is their colour."""
    return _lines(
        {
            "messages": [{"role": "user", "content": f"What colour is buoy {n}?"}],
            "colour": ("red", "blue", "green")[n % 3],
            "decoy": "purple",
        }
        for n in range(first, first + count)
    )


def _lines(examples: Iterator[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in examples).encode()


def cents(amount: str) -> Decimal:
    """An amount as shown, rounded to cents."""
    return Decimal(amount).quantize(Decimal("0.01"))


def reinforcement_is_offered(provider: str) -> None:
    """A provider that offers what OpenAI did before it ended reinforcement: o4-mini by the hour, and gpt-4o-mini."""
    (offer,) = (one for one in seed.offers() if one.models[0]["provider"] == "openai")
    wanted = {"o4-mini-2025-04-16", "gpt-4o-mini-2024-07-18"}
    ends = {"trainable_until": None, "shutdown_date": None}
    models = [{**one, **ends, "provider": provider} for one in offer.models if one["id"] in wanted]
    prices = [{**one, "provider": provider} for one in offer.prices if one["model"] in wanted]
    with unit_of_work(CLI) as session:
        catalog.load_seed(session, [seed.Offer(models, prices)])
