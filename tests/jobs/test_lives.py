"""What becomes of a job besides the straight way, through the API: waiting, retried, cloned, moved."""

import json

import pytest

from tests.stack import Client, Team, conversations

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


def test_a_job_is_retried_once_for_one_key_and_cloned(team: Team) -> None:
    limits = f"/v1/teams/{team.slug}/limits"
    assert team.operator.put(limits, {"approval_above": "0"}).status_code == 200
    failed = team.accepted(team.ready(), suffix="first", metadata={"ticket": "ML-42"})["id"]
    assert team.member.post(f"/v1/jobs/{failed}/cancel").json()["state"] == "cancelled"
    team.operator.put(limits, {"approval_above": "unlimited"})
    answers = [team.member.post(f"/v1/jobs/{failed}/retry", headers={"Idempotency-Key": "again"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    assert answers[0].text == answers[1].text
    assert answers[1].headers["idempotent-replayed"] == "true"
    again = answers[0].json()
    assert answers[0].headers["location"] == f"/v1/jobs/{again['id']}"
    assert (again["suffix"], again["metadata"]) == ("first", {"ticket": "ML-42"})
    assert again["origin"] == {"kind": "retry", "job": failed}
    done = team.job_in(again["id"], "succeeded", "failed")
    assert done["state"] == "succeeded"
    refused = team.member.post(f"/v1/jobs/{again['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_has_succeeded")

    clone = team.member.post(f"/v1/jobs/{again['id']}/clone", {"suffix": "second"})
    assert clone.status_code == 202, clone.text
    assert (clone.json()["suffix"], clone.json()["origin"]) == ("second", {"kind": "clone", "job": again["id"]})
    assert team.member.post(f"/v1/jobs/{again['id']}/clone").status_code == 202
    assert team.member.post(f"/v1/jobs/{again['id']}/clone", {"colour": "red"}).status_code == 422
    assert team.viewer.post(f"/v1/jobs/{again['id']}/clone").status_code == 403


def test_only_who_may_move_a_job_does(team: Team, operator: Client) -> None:
    job = team.accepted(team.ready())["id"]
    default = next(one["id"] for one in operator.get("/v1/connections?limit=100").json()["data"] if one["is_default"])
    path, body = f"/v1/jobs/{job}/move", {"connection": default}
    assert team.member.post(path, body).status_code == 403
    for client in (team.admin, operator):  # it is there already
        answer = client.post(path, body)
        assert (answer.status_code, answer.json()["id"]) == (202, job), answer.text
    unknown = team.admin.post(path, {"connection": "conn_01m7w6kt9eepp87nc93bk07v4n"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "connection_not_found")
    team.job_in(job, "succeeded")
