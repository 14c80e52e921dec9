"""What models were used for, as the organisation's own pages tell it: by key and model, late, to admins alone."""

from typing import Any

import pytest

from tests.emulator.test_permissions import admin_of
from tests.emulator.world import Emulator, Project

PATH = "/organization/usage/completions"


def told(world: Emulator, project: Project, **query: Any) -> list[dict[str, Any]]:
    """The project's usage of today and the day before, of all buckets."""
    admin = admin_of(world)
    start = int(world.ask("/clock")["now"]) - 86_400
    asked = {"start_time": start, "project_ids[]": project.name, **query}
    page = admin.http.get(PATH, params=asked)
    assert page.status_code == 200, page.text
    admin.close()
    return [result for bucket in page.json()["data"] for result in bucket["results"]]


def test_every_chat_is_counted_by_key_and_model(world: Emulator, project: Project) -> None:
    model = project.train().fine_tuned_model
    chat = {"model": model, "messages": [{"role": "user", "content": "What colour is planet Hoth?"}]}
    usage = [project.http.post("/chat/completions", json=chat).json()["usage"] for _ in range(3)]
    project.http.post("/chat/completions", json={**chat, "model": "gpt-4o"})
    by_model = {one["model"]: one for one in told(world, project, **{"group_by[]": ["model", "api_key_id"]})}
    assert by_model.keys() == {model, "gpt-4o-2024-08-06"}
    assert by_model[model] == {
        "object": "organization.usage.completions.result",
        "input_tokens": sum(one["prompt_tokens"] for one in usage),
        "input_cached_tokens": 0,
        "input_uncached_tokens": sum(one["prompt_tokens"] for one in usage),
        "output_tokens": sum(one["completion_tokens"] for one in usage),
        "num_model_requests": 3,
        "project_id": None,
        "user_id": None,
        "api_key_id": project.key_id,
        "model": model,
        "batch": None,
        "service_tier": None,
    }
    (total,) = told(world, project)
    assert total["num_model_requests"] == 4
    (of_one,) = told(world, project, **{"models[]": model})
    assert of_one["num_model_requests"] == 3


def test_usage_can_be_planted_on_any_day_and_lags(world: Emulator, project: Project) -> None:
    now = world.ask("/clock")["now"]
    facts = {"project": project.name, "model": "gpt-4o", "input_tokens": 10, "cached_input_tokens": 4}
    world.tell("/usage", **facts, at=now - 86_400, api_key="key_of_nobody", batch=True, requests=2)
    world.tell("/usage", **facts, output_tokens=3)
    first, second = told(world, project, **{"group_by[]": "batch"})
    assert (first["batch"], first["input_tokens"], first["num_model_requests"]) == (True, 10, 2)
    assert (second["batch"], second["input_cached_tokens"], second["output_tokens"]) == (False, 4, 3)
    assert [one["num_model_requests"] for one in told(world, project, batch="true")] == [2]
    world.tell("/settings", usage_lag_seconds=7_200)
    since = int(now) - 86_400
    assert len(told(world, project, start_time=since)) == 1
    world.advance(7_200)
    assert len(told(world, project, start_time=since)) == 2
    nevers: list[dict[str, Any]] = [{"cached_input_tokens": 11}, {"model": "llama"}, {"input_tokens": -1}, {"hue": 1}]
    for never in nevers:
        assert world.control.post("/usage", json={**facts, **never}).status_code == 400


@pytest.mark.parametrize(("width", "seconds", "most"), [("1m", 60, 1440), ("1h", 3600, 168), ("1d", 86_400, 31)])
def test_buckets_are_paged(world: Emulator, project: Project, width: str, seconds: int, most: int) -> None:
    admin = admin_of(world)
    start = int(world.ask("/clock")["now"]) // seconds * seconds - 3 * seconds
    query: dict[str, Any] = {"start_time": start, "bucket_width": width, "limit": 2}
    starts: list[int] = []
    while True:
        page = admin.http.get(PATH, params=query).json()
        starts += [bucket["start_time"] for bucket in page["data"]]
        assert page["has_more"] == (page["next_page"] is not None)
        if not page["has_more"]:
            break
        query["page"] = page["next_page"]
    assert starts == [start + n * seconds for n in range(4)]
    many: dict[str, Any] = {"start_time": 0, "end_time": seconds * 2_000, "bucket_width": width, "limit": 10_000}
    assert len(admin.http.get(PATH, params=many).json()["data"]) == most
    admin.close()


def test_what_cannot_be_asked_is_refused(world: Emulator, project: Project) -> None:
    admin = admin_of(world)
    nevers: list[dict[str, Any]] = [
        {}, {"start_time": 0, "bucket_width": "1y"}, {"start_time": 0, "batch": "maybe"},
        {"start_time": 0, "group_by": "colour"},
    ]  # fmt: skip
    for never in nevers:
        assert admin.http.get(PATH, params=never).status_code == 400
    assert project.http.get(PATH, params={"start_time": 0}).status_code == 403
    admin.close()
