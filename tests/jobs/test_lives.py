"""What becomes of a job besides the straight way, through the API: waiting, retried, cloned, moved."""

import json

import pytest

from tests.stack import Team, conversations

pytestmark = pytest.mark.usefixtures("workers")


def test_a_dataset_is_cut_through_the_api(team: Team) -> None:
    whole = team.ready_dataset(conversations(50))
    path = f"/v1/datasets/{whole['id']}/split"
    answer = team.member.post(path, {"validation_fraction": "0.2", "seed": 7})
    assert answer.status_code == 202, answer.text
    parts = answer.json()
    again = team.member.post(path, {"validation_fraction": 0.2, "seed": 7}).json()
    assert [again[part]["id"] for part in ("train", "validation")] == [
        parts[part]["id"] for part in ("train", "validation")
    ]
    ready = team.member.get(f"/v1/datasets/{parts['validation']['id']}?wait=20").json()
    assert (ready["state"], ready["examples"], ready["parent"]) == ("ready", 10, whole["id"])
    assert team.viewer.post(path, {"validation_count": 2}).status_code == 403
    for wrong in ({}, {"validation_fraction": "0.2", "validation_count": 3}, {"validation_fraction": 1}):
        assert team.member.post(path, wrong).status_code == 422, json.dumps(wrong)


def test_a_job_may_be_submitted_right_behind_its_data(team: Team) -> None:
    made = team.member.post(
        "/v1/datasets?filename=new.jsonl", content=conversations(30), headers={"Content-Type": "application/jsonl"}
    ).json()
    job = team.accepted(made["id"])
    assert team.job_in(job["id"], "succeeded", "failed")["state"] == "succeeded"
