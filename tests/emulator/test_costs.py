"""What training has cost, as the organisation's own pages tell it: by day, late, to admins alone."""

from typing import Any

from tests.emulator.test_permissions import admin_of
from tests.emulator.world import Emulator, Project


def test_costs_are_told_by_day_and_late(world: Emulator, project: Project) -> None:
    start = int(world.ask("/clock")["now"])
    admin = admin_of(world)

    def told(**options: Any) -> list[Any]:
        query = {"start_time": start, "project_ids[]": project.name, "group_by[]": "line_item", **options}
        page = admin.http.get("/organization/costs", params=query)
        assert page.status_code == 200, page.text
        return [result for bucket in page.json()["data"] for result in bucket["results"]]

    world.tell("/settings", costs_lag_seconds=7_200)
    job = project.train()
    assert told() == []
    world.advance(7_200)
    (line,) = told()
    assert line["line_item"] == "gpt-4o-mini-2024-07-18, training"
    assert line["amount"] == {"value": job.trained_tokens * 3 / 1_000_000, "currency": "usd"}
    (line,) = told(**{"group_by[]": "project_id"})
    assert (line["project_id"], line["line_item"]) == (project.name, None)
    world.advance(3 * 86_400)
    days, page = [], None
    while True:
        query = {"start_time": start, "limit": 1, **({"page": page} if page else {})}
        answer = admin.http.get("/organization/costs", params=query).json()
        days += answer["data"]
        if not (page := answer["next_page"]):
            break
    assert not answer["has_more"]
    assert [day["start_time"] for day in days] == sorted({day["start_time"] for day in days})
    assert len(days) >= 4
    refused: list[dict[str, Any]] = [{}, {"start_time": start, "end_time": "9" * 30}, {"start_time": "9" * 5_000}]
    for never in refused:
        assert admin.http.get("/organization/costs", params=never).status_code == 400
    assert project.http.get("/organization/costs", params={"start_time": start}).status_code == 403
    admin.close()
