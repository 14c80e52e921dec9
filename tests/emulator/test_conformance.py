"""Answers held to OpenAI's published specification (openai/openai-openapi, 2026-08-21)."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from openapi_schema_validator import OAS31Validator

from tests.emulator.test_graders import ALIKE, CHECK, MULTI
from tests.emulator.test_methods import dpo, preferences, reinforced
from tests.emulator.test_permissions import admin_of
from tests.emulator.world import REFERENCE, Emulator, Project, planets

pytestmark = pytest.mark.reference
SPECIFICATION = REFERENCE / "openai.openapi.yaml"

# Where we leave the published schemas, one by one. They allow further fields, so validation alone would not tell.
DEVIATIONS = {
    ("FineTuningJob", "user_provided_suffix"): "in the specification's own examples of jobs, not in the schema",
    ("FineTuningJob", "usage_metrics"): "likewise",
    ("FineTuningJob", "shared_with_openai"): "likewise",
    ("FineTuningJob", "eval_id"): "likewise",
}
# Values the published schemas do not know: (schema, where in the answer, the value).
UNPUBLISHED_VALUES = {
    ("FineTuningJob", "status", "paused"): "the specification's own example of /pause, and the guide on reinforcement",
    ("ListFineTuningJobEventsResponse", "data.type", "moderation_checks"): "the guide on fine-tuning's safety checks",
    ("FineTuningJob", "hyperparameters", "None"): "its own description: only returned for supervised jobs",
}

ONE = {**MULTI, "name": "one", "graders": CHECK, "calculate_output": "check"}  # as the specification types it


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    if not SPECIFICATION.exists():
        pytest.skip(f"needs {SPECIFICATION.name} in {REFERENCE}; set TUNEPLANE_REFERENCE_DATA")
    return load()


@cache
def load() -> dict[str, Any]:
    """The schemas alone, with the boolean exclusiveMinimum of OpenAPI 3.0 that slipped in turned into 3.1's number."""
    with SPECIFICATION.open() as text:
        schemas = yaml.load(text, yaml.CSafeLoader)["components"]["schemas"]
    for schema in _objects(schemas):
        if schema.get("exclusiveMinimum") is True:
            schema["exclusiveMinimum"] = schema.pop("minimum")
    return {"components": {"schemas": schemas}}


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from _objects(inner)


def conforms(specification: dict[str, Any], name: str, answer: Any) -> None:
    root = {**specification, "$ref": f"#/components/schemas/{name}"}
    errors = [
        f"{list(error.path)}: {error.message}"
        for error in OAS31Validator(root).iter_errors(answer)
        if (name, ".".join(str(one) for one in error.path if isinstance(one, str)), str(error.instance))
        not in UNPUBLISHED_VALUES
    ]
    assert not errors, f"{name}: {errors}"
    unpublished = answer.keys() - specification["components"]["schemas"][name]["properties"].keys()
    assert unpublished == {field for schema, field in DEVIATIONS if schema == name}


def test_every_answer_has_the_published_shape(specification: dict[str, Any], world: Emulator, project: Project) -> None:
    http = project.http

    def get(path: str, name: str, **options: Any) -> Any:
        answer = http.get(path, **options).json()
        conforms(specification, name, answer)
        return answer

    assert get("/files", "ListFilesResponse")["data"] == []
    upload = http.post("/files", files={"file": ("t.jsonl", planets(20))}, data={"purpose": "fine-tune"}).json()
    conforms(specification, "OpenAIFile", upload)
    get(f"/files/{upload['id']}", "OpenAIFile")
    validation = project.upload(planets(40)[len(planets(20)) :])

    asked = {"model": "gpt-4.1-mini", "training_file": upload["id"], "validation_file": validation}
    job = http.post("/fine_tuning/jobs", json={**asked, "metadata": {"a": "b"}}).json()
    conforms(specification, "FineTuningJob", job)
    for seconds in (0, 5, 5, 700):
        world.advance(seconds)
        shown = get(f"/fine_tuning/jobs/{job['id']}", "FineTuningJob")
        get(f"/fine_tuning/jobs/{job['id']}/events", "ListFineTuningJobEventsResponse", params={"limit": 100})
        get(f"/fine_tuning/jobs/{job['id']}/checkpoints", "ListFineTuningJobCheckpointsResponse")
    assert shown["status"] == "succeeded"
    failed = project.train(b"{}\n")
    assert get(f"/fine_tuning/jobs/{failed.id}", "FineTuningJob")["status"] == "failed"
    running = project.submit()
    world.advance(20)
    cancelled = http.post(f"/fine_tuning/jobs/{running}/cancel").json()
    conforms(specification, "FineTuningJob", cancelled)
    get("/fine_tuning/jobs", "ListPaginatedFineTuningJobsResponse")

    get(f"/files/{shown['result_files'][0]}", "OpenAIFile")
    get("/files", "ListFilesResponse")
    get("/models", "ListModelsResponse")
    get(f"/models/{shown['fine_tuned_model']}", "Model")
    for model in ("gpt-4o", shown["fine_tuned_model"]):
        chat = {"model": model, "messages": [{"role": "user", "content": "What colour is planet Hoth?"}]}
        conforms(specification, "CreateChatCompletionResponse", http.post("/chat/completions", json=chat).json())
    conforms(specification, "DeleteModelResponse", http.delete(f"/models/{shown['fine_tuned_model']}").json())
    conforms(specification, "DeleteFileResponse", http.delete(f"/files/{upload['id']}").json())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/files/file-nobody", 404),
        ("GET", "/fine_tuning/jobs/ftjob-nobody", 404),
        ("GET", "/models/ft:gpt-4o:nobody", 404),
        ("DELETE", "/models/gpt-4o", 403),
        ("POST", "/fine_tuning/jobs", 400),
        ("POST", "/files", 400),
        ("PUT", "/files", 405),
        ("GET", "/nowhere", 404),
    ],
)
def test_every_refusal_has_the_published_shape(
    specification: dict[str, Any], project: Project, method: str, path: str, status: int
) -> None:
    answer = project.http.request(method, path)
    assert answer.status_code == status
    conforms(specification, "ErrorResponse", answer.json())


@pytest.mark.parametrize("kind", ["dpo", "reinforcement"])
def test_jobs_of_every_method_have_it(
    specification: dict[str, Any], world: Emulator, project: Project, kind: str
) -> None:
    job = project.submit(preferences(), method=dpo(beta=0.3)) if kind == "dpo" else reinforced(project)
    for seconds in (0, 20, 700):
        world.advance(seconds)
        paths = ("", "FineTuningJob"), ("/events", "ListFineTuningJobEventsResponse")
        for path, name in (*paths, ("/checkpoints", "ListFineTuningJobCheckpointsResponse")):
            conforms(specification, name, project.http.get(f"/fine_tuning/jobs/{job}{path}").json())
    assert project.truth(job)["status"] == "succeeded"


@pytest.mark.parametrize("grader", [CHECK, ALIKE, MULTI, ONE], ids=lambda grader: grader["name"])
def test_graders_have_it(specification: dict[str, Any], project: Project, grader: dict[str, Any]) -> None:
    body = {"grader": grader, "model_sample": "blue", "item": {"answer": "blue"}}
    conforms(specification, "RunGraderResponse", project.http.post("/fine_tuning/alpha/graders/run", json=body).json())
    validated = project.http.post("/fine_tuning/alpha/graders/validate", json=body).json()
    assert validated == {"grader": grader}
    if grader is not MULTI:  # a multi's graders by name: the guide and the service, against the specification (§1.8)
        conforms(specification, "ValidateGraderResponse", validated)


@pytest.mark.parametrize("fate", [{"kind": "unsafe"}, {"kind": "fails"}, {"kind": "blocked"}], ids=str)
def test_jobs_that_meet_their_fate_have_it(
    specification: dict[str, Any], world: Emulator, project: Project, fate: dict[str, Any]
) -> None:
    world.tell("/fates", **fate)
    job = project.http.get(f"/fine_tuning/jobs/{project.train().id}").json()
    conforms(specification, "FineTuningJob", job)
    assert job["status"] == "failed"
    events = project.http.get(f"/fine_tuning/jobs/{job['id']}/events").json()
    conforms(specification, "ListFineTuningJobEventsResponse", events)


def test_uploads_have_it(specification: dict[str, Any], project: Project) -> None:
    asked = {"filename": "t.jsonl", "purpose": "fine-tune", "mime_type": "text/jsonl", "bytes": len(planets())}
    upload = project.http.post("/uploads", json=asked).json()
    conforms(specification, "Upload", upload)
    path = f"/uploads/{upload['id']}"
    part = project.http.post(f"{path}/parts", files={"data": planets()}).json()
    conforms(specification, "UploadPart", part)
    whole = project.http.post(f"{path}/complete", json={"part_ids": [part["id"]]}).json()
    conforms(specification, "Upload", whole)
    conforms(specification, "OpenAIFile", whole["file"])
    abandoned = project.http.post("/uploads", json=asked).json()
    conforms(specification, "Upload", project.http.post(f"/uploads/{abandoned['id']}/cancel").json())


def test_what_admins_see_has_it(
    specification: dict[str, Any], world: Emulator, project: Project, other_project: Project
) -> None:
    model, admin = project.train().fine_tuned_model, admin_of(world)
    path = f"/fine_tuning/checkpoints/{model}/permissions"
    made = admin.http.post(path, json={"project_ids": [other_project.name]}).json()
    conforms(specification, "ListFineTuningCheckpointPermissionResponse", made)
    conforms(specification, "ListFineTuningCheckpointPermissionResponse", admin.http.get(path).json())
    deleted = admin.http.delete(f"{path}/{made['data'][0]['id']}").json()
    conforms(specification, "DeleteFineTuningCheckpointPermissionResponse", deleted)
    conforms(specification, "ErrorResponse", project.http.get(path).json())
    project.ask(model, "What colour is planet Hoth?")
    start = int(world.ask("/clock")["now"]) - 86_400
    for path, kind, groups in [
        ("costs", "CostsResult", ("project_id", "line_item", "api_key_id")),
        ("usage/completions", "UsageCompletionsResult", ("project_id", "api_key_id", "model", "batch")),
    ]:
        for query in ({}, {"group_by[]": groups}):
            page = admin.http.get(f"/organization/{path}", params={"start_time": start, "limit": 10, **query}).json()
            conforms(specification, "UsageResponse", page)
            results = [result for bucket in page["data"] for result in bucket["results"]]
            assert results
            for result in results:
                conforms(specification, kind, result)
    admin.close()


def test_pausing_and_resuming_have_it_too(specification: dict[str, Any], world: Emulator, project: Project) -> None:
    job = project.submit()
    world.advance(30)
    for verb, status in (("pause", "paused"), ("resume", "queued")):
        answer = project.http.post(f"/fine_tuning/jobs/{job}/{verb}").json()
        conforms(specification, "FineTuningJob", answer)
        assert answer["status"] == status


def test_a_scripted_refusal_has_it_too(specification: dict[str, Any], world: Emulator, project: Project) -> None:
    world.tell("/faults", kind="status", status=503)
    conforms(specification, "ErrorResponse", project.http.get("/models").json())


def test_the_check_itself_can_fail(specification: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="'bytes' is a required property"):
        conforms(specification, "OpenAIFile", {"id": "file-1", "object": "file"})
