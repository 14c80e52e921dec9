"""Creating a job at a provider that loses answers, refuses, lags, or is to cancel meanwhile: never two, none lost."""

from decimal import Decimal
from typing import Any

import pytest

from service.jobs.flows.outcomes import pause_after
from service.kit import clock
from service.provider.errors import AccountRefused, ProviderError, RateLimited, Unknown
from tests.stack import SETTINGS, Emulator, Team
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")

CREATE = {"method": "POST", "path": "^/v1/fine_tuning/jobs$"}


@pytest.mark.parametrize("fault", ["create_then_500", "create_then_drop"])
def test_a_job_created_although_the_answer_was_lost_is_found_and_not_made_again(
    team: Team, emulator: Emulator, fault: str
) -> None:
    dataset = team.ready()
    emulator.fault(kind=fault, **CREATE)
    job = team.accepted(dataset)
    done = team.job_in(job["id"], "succeeded")
    (remote,) = emulator.jobs_of(job["id"])
    assert Decimal(done["cost"]) * 1_000_000 == Decimal(remote["cost_units"])


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "drop"}, {"kind": "garbage"}])
def test_a_job_that_was_never_created_is_created_after_the_quiet_period(
    team: Team, emulator: Emulator, fault: dict[str, Any]
) -> None:
    dataset = team.ready()
    emulator.fault(**fault, **CREATE)
    job = team.accepted(dataset)
    team.job_in(job["id"], "succeeded")
    assert len(emulator.jobs_of(job["id"])) == 1


def test_a_created_job_that_the_list_shows_late_is_still_one_job(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    emulator.set(list_lag_seconds=1)
    try:
        emulator.fault(kind="create_then_drop", **CREATE)
        job = team.accepted(dataset)
        team.job_in(job["id"], "succeeded")
        assert len(emulator.jobs_of(job["id"])) == 1
    finally:
        emulator.set(list_lag_seconds=0)


def test_a_job_whose_file_is_not_ready_is_created_when_it_is(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    told = "File 'file-1' is still being processed and is not ready to be used for fine-tuning. Please try again later."
    emulator.fault(kind="status", status=400, message=told, times=2, **CREATE)
    job = team.accepted(dataset)
    team.job_in(job["id"], "succeeded")
    assert len(emulator.jobs_of(job["id"])) == 1


def test_a_refused_job_fails_with_the_providers_words_and_gives_its_reservation_back(
    team: Team, emulator: Emulator
) -> None:
    dataset = team.ready()
    emulator.fault(kind="status", status=400, code="model_not_available", message="No such luck.", **CREATE)
    job = team.accepted(dataset)
    failed = team.job_in(job["id"], "failed")
    assert failed["error"]["code"] == "model_not_available"
    assert not failed["error"]["retryable"]
    assert failed["error"]["original"] == {"code": "model_not_available", "message": "No such luck.", "param": None}
    assert failed["cost"] == "0.00"
    assert (team.budget()["held"], team.budget()["spent"]) == ("0.00", "0.00")
    assert emulator.jobs_of(job["id"]) == []


def test_a_rate_limit_is_waited_out(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    emulator.fault(kind="status", status=429, code="rate_limit_exceeded", retry_after=1, times=3, **CREATE)
    job = team.accepted(dataset)
    team.job_in(job["id"], "succeeded")
    assert len(emulator.jobs_of(job["id"])) == 1


def test_an_account_that_is_refused_is_left_alone_for_a_while(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    emulator.fault(kind="status", status=401, code="invalid_api_key", times=2, **CREATE)
    began = clock.monotonic()
    job = team.accepted(dataset)
    until(lambda: emulator.jobs_of(job["id"]), what="the account to be let in again")
    assert clock.monotonic() - began >= 2 * float(SETTINGS["backoff_cap_seconds"])
    team.job_in(job["id"], "succeeded")


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (RateLimited("Slower.", retry_after_seconds=130.0), 130.0),
        (RateLimited("Slower."), float(SETTINGS["search_interval_seconds"])),
        (Unknown("Nobody answered."), float(SETTINGS["search_interval_seconds"])),
        (AccountRefused("Who are you?"), float(SETTINGS["backoff_cap_seconds"])),
    ],
)
def test_what_no_job_is_to_blame_for_is_waited_out(error: ProviderError, pause: float) -> None:
    assert pause_after(error) == pause


def test_a_job_cancelled_while_it_is_being_created_ends_as_the_provider_says(team: Team, emulator: Emulator) -> None:
    dataset = team.ready()
    stuck = {"kind": "stuck", "status": "queued", "seconds": 86_400, "suffix": "cancelled"}  # it must not end before
    assert emulator.http.post("/_emulator/fates", json=stuck).is_success
    held = emulator.fault(kind="hold_after", **CREATE)
    job = team.accepted(dataset, suffix="cancelled")
    until(lambda: emulator.faults()["held"], what="the create to be held")
    cancelling = team.member.post(f"/v1/jobs/{job['id']}/cancel")
    assert (cancelling.status_code, cancelling.json()["state"]) == (202, "cancelling")
    assert Decimal(team.budget()["held"]) > 0, "the money stays held while the outcome is unknown"
    emulator.release(held)
    done = team.job_in(job["id"], "cancelled")
    (remote,) = emulator.jobs_of(job["id"])
    assert remote["status"] == "cancelled"
    assert Decimal(done["cost"]) * 1_000_000 == Decimal(remote["cost_units"])
    assert team.budget()["held"] == "0.00"
