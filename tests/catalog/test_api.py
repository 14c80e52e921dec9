"""The catalog over HTTP."""

from typing import Any

import pytest

from tests.stack import Team

PRICE = {"object": "price", "provider": "openai", "currency": "USD"}


def listed(team: Team, path: str) -> list[dict[str, Any]]:
    answer = team.viewer.get(path)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["object"], body["has_more"]) == ("list", False)
    data: list[dict[str, Any]] = body["data"]
    return data


def test_base_models_say_what_can_be_done_with_them(team: Team) -> None:
    models = {one["id"]: one for one in listed(team, "/v1/base-models?provider=emulator")}
    mini = models["gpt-4.1-mini-2025-04-14"]
    assert mini["trainable"] is True
    assert mini["why_not"] is None
    assert mini["methods"] == ["supervised", "dpo"]
    assert mini["hyperparameters"]["dpo"]["beta"] == {
        "type": "number", "auto": True, "values": None, "min": None, "above": 0, "max": 2,
    }  # fmt: skip
    assert {price["meter"]: price["amount"] for price in mini["prices"]} == {
        "training_tokens": "5.00", "input_tokens": "0.80", "cached_input_tokens": "0.20", "output_tokens": "3.20",
    }  # fmt: skip
    assert models["ada"]["why_not"] == "ada was retired on 2024-01-04; train gpt-4o-mini-2024-07-18 instead."
    assert {one["provider"] for one in listed(team, "/v1/base-models")} >= {"emulator", "openai"}


def test_prices_are_those_of_an_instant(team: Team) -> None:
    path = "/v1/prices?provider=openai&model=gpt-3.5-turbo-0613"
    before = {one["meter"]: one for one in listed(team, f"{path}&at=2023-11-05T23:59:59Z")}
    after = {one["meter"]: one for one in listed(team, f"{path}&at=2023-11-06T01:00:00%2B01:00")}
    assert (before["output_tokens"]["amount"], after["output_tokens"]["amount"]) == ("16.00", "6.00")
    assert before["output_tokens"]["effective_until"] == "2023-11-06T00:00:00Z"
    assert after["output_tokens"] | {"id": "", "created_at": ""} == PRICE | {
        "id": "", "model": "gpt-3.5-turbo-0613", "meter": "output_tokens", "amount": "6.00", "unit_quantity": 1_000_000,
        "tier": "standard", "list_amount": None, "effective_from": "2023-11-06T00:00:00Z", "effective_until": None,
        "created_by": "seed", "created_at": "",
    }  # fmt: skip
    assert listed(team, f"{path}&at=2023-01-01T00:00:00Z") == []


@pytest.mark.parametrize("query", ["at=yesterday", "at=2026-11-20T00:00:00", "model=a%00b", "provider=%C3%A9"])
def test_what_cannot_be_asked_is_named(team: Team, query: str) -> None:
    answer = team.viewer.get(f"/v1/prices?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.split("=", maxsplit=1)[0]
