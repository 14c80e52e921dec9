"""The outbox: an event exists if and only if what it tells was committed."""

from typing import Any

import pytest
from sqlalchemy import select

from service import webhooks
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, worker_for
from service.kit.ids import read
from service.webhooks import EventType
from service.webhooks.models import Event
from tests.stack import Emulator, Team
from tests.until import until


def told(team: Team) -> list[tuple[str, dict[str, Any]]]:
    with read_only(CLI) as session:
        rows = session.scalars(select(Event).where(Event.team_id == read("team", team.id)).order_by(Event.id))
        return [(row.type, row.data) for row in rows]


def publish_and_fail(team: Team) -> None:
    team_id = read("team", team.id)
    with unit_of_work(worker_for(team_id)) as session:
        webhooks.publish(session, team_id, EventType.JOB_FAILED, clock.now(), id="job_x")
        session.flush()
        raise LookupError


def test_what_is_rolled_back_was_never_told(team: Team) -> None:
    with pytest.raises(LookupError):
        publish_and_fail(team)
    assert told(team) == []


@pytest.mark.usefixtures("workers")
def test_the_main_job_is_told_in_order_and_without_a_word_of_its_text(team: Team, emulator: Emulator) -> None:
    dataset = team.ready(topic="secretword")
    job = team.accepted(dataset, register={"name": "keeper"})["id"]
    team.job_in(job, "succeeded")
    until(lambda: "model.ready" in dict(told(team)), what="the model to be told ready")
    team.member.put("/v1/models/keeper/aliases/production", {"version": 1, "reason": "first"})
    events = told(team)
    assert events[0] == ("dataset.ready", {"id": dataset, "state": "ready"})
    of_job = [kind for kind, data in events if data["id"] == job]
    assert of_job[:3] == ["job.queued", "job.uploading", "job.submitting"]
    assert of_job[-1] == "job.succeeded"
    assert events[-1][0] == "model.promoted"
    assert "secretword" not in str(events)
