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


def lines(world: Emulator, project: Project, **query: Any) -> dict[str, Any]:
    """What the project's bill says by now of any day, by line item."""
    admin = admin_of(world)
    start = int(world.ask("/clock")["now"]) - 30 * 86_400
    asked = {"start_time": start, "limit": 180, "project_ids[]": project.name, "group_by[]": "line_item", **query}
    page = admin.http.get("/organization/costs", params=asked).json()
    admin.close()
    return {one["line_item"]: one for bucket in page["data"] for one in bucket["results"]}


def test_inference_is_billed_by_model_and_meter(world: Emulator, project: Project) -> None:
    model = project.train().fine_tuned_model
    world.tell(
        "/usage", project=project.name, model=model, input_tokens=1_500, cached_input_tokens=500, output_tokens=100
    )
    world.tell("/usage", project=project.name, model="gpt-4o-mini", input_tokens=2_000_000, batch=True)
    told = lines(world, project)
    assert {
        name: (one["amount"]["value"], one["quantity"]) for name, one in told.items() if "training" not in name
    } == {
        f"{model}, input_tokens": (0.0003, 1_000),
        f"{model}, cached_input_tokens": (0.000075, 500),
        f"{model}, output_tokens": (0.00012, 100),
        "gpt-4o-mini, input_tokens, batch": (0.15, 2_000_000),
    }
    assert {one["quantity_unit"] for one in told.values()} == {"tokens"}


def test_the_bill_is_wrong_where_the_script_says_so(world: Emulator, project: Project) -> None:
    def told(name: str) -> tuple[float, float | None] | None:
        one = lines(world, project).get(name)
        return one and (one["amount"]["value"], one["quantity"])

    item = "gpt-4o, input_tokens"
    world.tell("/usage", project=project.name, model="gpt-4o", input_tokens=1_000_000)
    assert told(item) == (2.5, 1_000_000)
    scripts: list[tuple[dict[str, Any], tuple[float, float] | None]] = [
        ({"kind": "drift", "factor": "1.1"}, (2.75, 1_000_000)),
        ({"kind": "quantity", "factor": "0.5"}, (1.25, 500_000)),
        ({"kind": "missing"}, None),
        ({"kind": "late", "seconds": 3600}, None),
        ({"kind": "drift", "factor": "2", "line_item": "output"}, (2.5, 1_000_000)),
        ({"kind": "drift", "factor": "2", "project": "proj_other"}, (2.5, 1_000_000)),
    ]
    for script, billed in scripts:
        made = world.tell("/discrepancies", **{"line_item": "^gpt-4o, input", **script})
        assert told(item) == billed, script
        assert world.ask("/discrepancies")["discrepancies"] == [made]
        world.control.delete(f"/discrepancies/{made['id']}")
    late = world.tell("/discrepancies", kind="late", seconds=3600)
    world.advance(3600)
    assert told(item) == (2.5, 1_000_000)
    assert world.control.delete(f"/discrepancies/{late['id']}").status_code == 200
    world.tell("/discrepancies", kind="extra", line_item="attic, storage", project=project.name, amount="0.25")
    assert told("attic, storage") == (0.25, None)
    for never in [
        {"kind": "rust"},
        {"kind": "drift", "factor": "x"},
        {"kind": "extra"},
        {"kind": "late", "line_item": "["},
    ]:
        assert world.control.post("/discrepancies", json=never).status_code == 400


def test_a_stopped_job_is_billed_its_steps_or_nothing(world: Emulator, project: Project) -> None:
    for billed in ("steps", "nothing"):
        world.tell("/settings", stopped_jobs_billed=billed)
        job = project.submit()
        world.advance(40)
        project.openai.fine_tuning.jobs.cancel(job)
        truth = project.truth(job)
        assert truth["trained_tokens"] > 0
        assert truth["billed_tokens"] == (truth["trained_tokens"] if billed == "steps" else 0)
        bill = lines(world, project)["gpt-4o-mini-2024-07-18, training"]
        if billed == "steps":
            first = bill
        assert bill["quantity"] == first["quantity"] > 0
