"""Jobs on an account that is refused, throttled or paused wait with a reason, burn no attempts, and all finish."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from service.cli.local import LocalStack
from service.kit import ids
from tests.connections.test_api import add, read
from tests.connections.test_connections import administer
from tests.stack import Client, Emulator, Team
from tests.until import until

pytestmark = pytest.mark.usefixtures("workers")

CREATIONS = {"method": "POST", "path": "^/v1/(files|fine_tuning/jobs)$"}


class Account:
    """An account at the emulator with a key of its own, and a team that has chosen it."""

    def __init__(self, operator: Client, stack: LocalStack, emulator: Emulator, make_team: Callable[..., Team]) -> None:
        self.operator, self.stack, self.emulator = operator, stack, emulator
        self.key = self.new_key()
        self.id = add(operator, stack, api_key=self.key)["id"]
        self.team = make_team(connection=self.id)

    def new_key(self) -> str:
        key = f"sk-{uuid4().hex}"
        assert self.emulator.http.post("/_emulator/keys", json={"key": key, "project": "proj_own"}).is_success
        return key

    def revoke_key(self) -> None:
        assert self.emulator.http.delete(f"/_emulator/keys/{self.key}").is_success

    def post(self, action: str, body: object = None) -> None:
        answer = self.operator.post(f"/v1/connections/{self.id}/{action}", body)
        assert answer.status_code == 200, answer.text

    def circuits(self) -> dict[str, dict[str, Any]]:
        return {one["use"]: one for one in read(self.operator, self.id)["circuits"]}

    def attempts(self) -> int:
        """Claims without progress of the job that has most."""
        counted = "SELECT max(attempts)::int FROM jobs WHERE connection_id = %s"
        ((most,),) = administer(self.stack, counted, ids.read("conn", self.id))
        assert isinstance(most, int)
        return most

    def waits(self, job: str) -> dict[str, Any] | None:
        view = self.team.member.get(f"/v1/jobs/{job}").json()
        assert view["state"] in ("queued", "uploading", "submitting"), view
        waiting: dict[str, Any] | None = view["waiting"]
        return waiting if waiting and waiting["reason"] == "account_paused" else None


@pytest.fixture
def account(operator: Client, stack: LocalStack, emulator: Emulator, make_team: Callable[..., Team]) -> Account:
    return Account(operator, stack, emulator, make_team)


def test_a_revoked_key_pauses_its_account_and_a_new_one_lets_all_jobs_finish(account: Account) -> None:
    dataset = account.team.ready()
    account.revoke_key()
    jobs = [account.team.accepted(dataset, seed=seed)["id"] for seed in range(3)]
    refused = until(lambda: account.circuits().get("ask") or account.circuits().get("create"), within=20)
    assert "Incorrect API key provided" in refused["reason"]
    assert account.key not in refused["reason"]

    # Trials come and go; in the meantime no attempt is burned.
    use, since = refused["use"], refused["since"]
    later = until(lambda: account.circuits()[use]["until"] > refused["until"] and account.circuits()[use], within=20)
    assert later["since"] == since
    assert account.attempts() <= 1  # one at most is being tried right now
    assert account.emulator.jobs_of(*jobs) == []

    account.key = account.new_key()
    account.post("key", {"api_key": account.key})
    for job in jobs:
        account.team.job_in(job, "succeeded")
    assert account.circuits() == {}
    assert len(account.emulator.jobs_of(*jobs)) == 3


def test_a_retry_after_is_no_hot_loop_and_no_other_accounts_matter(
    account: Account, make_team: Callable[..., Team]
) -> None:
    dataset, other = account.team.ready(), make_team()
    fault = account.emulator.fault(
        kind="status", status=429, retry_after=300, times=None, **CREATIONS, code="rate_limit_exceeded"
    )

    def hits() -> int:
        (told,) = [one for one in account.emulator.faults()["faults"] if one["id"] == fault]
        return int(told["hits"])

    jobs = [account.team.accepted(dataset, seed=seed)["id"] for seed in range(4)]
    until(lambda: "create" in account.circuits(), within=20)
    told = until(lambda: account.waits(jobs[0]), within=20)
    assert "Scripted fault" in told["message"]
    met = hits()
    assert met <= 4  # those that were on their way already
    account.emulator.http.delete(f"/_emulator/faults/{fault}")
    assert other.job_in(other.accepted(other.ready())["id"], "succeeded")  # on an account of its own, meanwhile
    assert account.emulator.jobs_of(*jobs) == []
    assert account.attempts() <= 1
    account.post("resume")
    for job in jobs:
        account.team.job_in(job, "succeeded")


def test_a_paused_account_gets_nothing_new_and_what_it_has_is_followed(account: Account) -> None:
    dataset = account.team.ready()
    there = account.team.accepted(dataset, seed=1)["id"]
    account.team.job_in(there, "validating_files", "provider_queued", "running", "succeeded")
    account.post("pause", {"reason": "the invoice is disputed"})
    waiting = account.team.accepted(dataset, seed=2)["id"]
    assert "invoice is disputed" in until(lambda: account.waits(waiting), within=10)["message"]
    account.team.job_in(there, "succeeded")
    assert account.waits(waiting)
    account.post("resume")
    account.team.job_in(waiting, "succeeded")
