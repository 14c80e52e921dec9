"""Deleted datasets between real workers: their copies at the provider go too, and what other teams have stays."""

from collections.abc import Callable
from functools import partial

import pytest

from service.cli.local import LocalStack
from service.kit.ids import read
from service.provider.openai import gateway
from tests.datasets.factories import owners
from tests.jobs.accounts import credentials
from tests.stack import Emulator, Team
from tests.until import until


@pytest.mark.usefixtures("workers")
def test_copies_at_the_provider_go_too_and_the_map_tells_where_it_all_went(
    make_team: Callable[..., Team], emulator: Emulator, stack: LocalStack
) -> None:
    team, other = make_team(), make_team()
    own, shared = team.ready(f"own {team.slug}"), team.ready(f"shared {team.slug}")
    other.job_in(other.accepted(other.ready(f"shared {team.slug}"))["id"], "succeeded")
    job = team.collected(team.accepted(own, validation_dataset=shared, register={"name": "tide"})["id"])
    before = team.viewer.get(f"/v1/datasets/{own}/erase-map").json()
    (file,) = before["provider_files"]
    assert (file["dataset"], file["deleted_at"]) == (own, None)
    assert [(one["id"], one["used"]) for one in before["jobs"]] == [(job["id"], {own: "training"})]
    assert [(one["name"], one["number"], one["job"]) for one in before["models"]] == [("tide", 1, job["id"])]
    (kept,) = team.viewer.get(f"/v1/datasets/{shared}/erase-map").json()["provider_files"]
    for one in (own, shared):
        assert team.member.delete(f"/v1/datasets/{one}").status_code == 202
        until(partial(erased, team, one), what=f"{one} erased")
    _, account = credentials()
    assert not gateway.has_file(account, file["provider_file_id"])
    assert gateway.has_file(account, kept["provider_file_id"])  # the other team's too
    after = team.viewer.get(f"/v1/datasets/{own}/erase-map").json()
    assert after["provider_files"][0]["deleted_at"] is not None
    assert after["datasets"][0]["erased_at"] is not None
    assert [one["version"] for one in after["models"]] == [one["version"] for one in before["models"]]
    assert owners(stack, read("team", team.id)) == set()


def erased(team: Team, dataset: str) -> bool:
    return bool(team.viewer.get(f"/v1/datasets/{dataset}").json()["erased_at"])


@pytest.mark.usefixtures("workers")
def test_while_the_provider_is_away_the_bytes_go_and_the_copy_follows(
    team: Team, emulator: Emulator, stack: LocalStack
) -> None:
    dataset = team.ready(f"away {team.slug}")
    team.collected(team.accepted(dataset)["id"])
    emulator.fault(kind="status", status=503, method="DELETE", path="^/v1/files/", times=None)
    assert team.member.delete(f"/v1/datasets/{dataset}").status_code == 202
    until(lambda: not owners(stack, read("team", team.id)), what="the bytes gone")
    assert not erased(team, dataset)
    emulator.http.delete("/_emulator/faults")
    until(partial(erased, team, dataset), within=30, what="erased in spite of all")
