"""Jobs at a provider whose clock stands still; the test itself is the worker."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import httpx2
from pydantic import SecretStr
from sqlalchemy import func, select, update

from service import connections
from service.cli.local import LocalStack
from service.connections.models import ProviderWebhook
from service.datasets import flows as dataset_flows
from service.jobs import State, flows
from service.jobs.models import Job, JobEvent
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import CLI, WORKER, Actor, worker_for
from service.kit.ids import read, show
from service.kit.signatures import sign
from tests.connections.test_connections import administer
from tests.stack import Emulator, Platform, Team, conversations
from tests.until import until
from workers.dispatcher import grant_turns

SECRET: Final = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
KINDS: Final = {
    "list": {"method": "GET", "path": "^/v1/fine_tuning/jobs$"},
    "retrieve": {"method": "GET", "path": "^/v1/fine_tuning/jobs/[^/]+$"},
    "events": {"method": "GET", "path": "^/v1/fine_tuning/jobs/[^/]+/events$"},
}
_numbers = itertools.count(1)


class Site:
    """An API and an emulator; each fleet has an account of its own there."""

    def __init__(self, stack: LocalStack) -> None:
        stack.start_emulator(speed=0)
        stack.start_api()
        self.stack, self.platform, self.emulator = stack, Platform(stack), Emulator(stack.emulator_url)

    def fleet(self, jobs: int) -> "Fleet":
        return Fleet(self, jobs)

    def count(self) -> None:
        """Faults that do nothing, but are counted."""
        self.emulator.http.delete("/_emulator/faults")
        for kind in KINDS.values():
            self.emulator.fault(kind="delay", delay_seconds=0, times=None, **kind)

    def counted(self) -> dict[str, int]:
        """How often the provider was asked what since the last count."""
        hits = {fault["path"]: fault["hits"] for fault in self.emulator.faults()["faults"]}
        self.count()
        return {name: hits[kind["path"]] for name, kind in KINDS.items()}


class Fleet:
    """Some jobs of one team and account, all of them just created at the provider."""

    def __init__(self, site: Site, jobs: int) -> None:
        self.site, self.emulator = site, site.emulator
        number = next(_numbers)
        key = {"key": f"sk-fleet-{number}", "project": f"proj_{number}"}
        assert self.emulator.http.post("/_emulator/keys", json=key).is_success
        with unit_of_work(CLI) as session:
            self.account = connections.create(
                session, CLI,
                name=f"fleet-{number}", kind=connections.Kind.COMPATIBLE, provider="emulator",
                base_url=f"{site.stack.emulator_url}/v1", api_key=SecretStr(key["key"]),
            )  # fmt: skip
            connections.set_webhook_secret(session, CLI, f"fleet-{number}", SecretStr(SECRET))
        self.key, self.project = key["key"], key["project"]
        self.team: Team = site.platform.team(connection=show("conn", self.account.id))
        posted = self.team.member.post("/v1/datasets", content=conversations()).json()
        dataset_flows.validate([read("dset", posted["id"])])
        self.shown = [str(self.team.accepted(posted["id"])["id"]) for _ in range(jobs)]
        self.jobs = [read("job", one) for one in self.shown]
        until(self._all_created, within=30, what="all jobs to be at the provider")
        site.count()

    def _all_created(self) -> bool:
        grant_turns()
        flows.submit(self.jobs)
        return self.states() == {State.VALIDATING_FILES: len(self.jobs)}

    def follow(self) -> None:
        """Make all of them due, and look."""
        self.make_due()
        flows.follow(self.jobs)

    def make_due(self, seconds: float = 0, only: int | None = None) -> None:
        """In so many seconds; `only` so many of them."""
        later = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        ours = (Job.id.in_(self.jobs[:only]), Job.due_at.is_not(None))
        with unit_of_work(WORKER) as session:
            session.execute(update(Job).where(*ours).values(due_at=later, hinted_at=None))

    def rows(self) -> list[Job]:
        with unit_of_work(self._actor()) as session:
            return list(session.scalars(select(Job).where(Job.id.in_(self.jobs)).order_by(Job.id)))

    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.rows())

    def seconds_left(self) -> list[float]:
        """Until each is due, by the database's clock."""
        left = func.extract("epoch", Job.due_at - func.clock_timestamp())
        with unit_of_work(WORKER) as session:
            found = session.scalars(select(left).where(Job.id.in_(self.jobs), Job.due_at.is_not(None)))
            return [float(one) for one in found]

    def change(self, **columns: Any) -> None:
        with unit_of_work(self._actor()) as session:
            session.execute(update(Job).where(Job.id.in_(self.jobs)).values(**columns))

    def events(self, source: str = "provider") -> list[JobEvent]:
        """Of the first job."""
        with unit_of_work(self._actor()) as session:
            found = select(JobEvent).where(JobEvent.job_id == self.jobs[0]).order_by(JobEvent.seq)
            return [one for one in session.scalars(found) if one.source == source]

    def remote(self) -> dict[str, Any]:
        """The first job as it really is."""
        (found,) = self.emulator.jobs_of(self.shown[0])
        return found

    def told(self) -> list[dict[str, Any]]:
        """All events of the first job, as the provider lists them."""
        path, events = f"/v1/fine_tuning/jobs/{self.remote()['id']}/events?limit=100", []
        after, page = "", {"has_more": True}
        while page["has_more"]:
            page = self.emulator.http.get(path + after, headers={"Authorization": f"Bearer {self.key}"}).json()
            events += page["data"]
            after = f"&after={events[-1]['id']}"
        return events

    def webhooks_kept(self) -> int:
        """How many of its account's are remembered."""
        kept = select(func.count()).where(ProviderWebhook.connection_id == self.account.id)
        with unit_of_work(WORKER) as session:
            return session.scalars(kept).one()

    def default_account(self) -> UUID:
        """Another one, which has no secret for webhooks."""
        with unit_of_work(WORKER) as session:
            found = connections.default(session)
        assert found is not None
        return found.id

    def _actor(self) -> Actor:
        return worker_for(read("team", self.team.id))


def hook_url(fleet: Fleet, connection: str | None = None) -> str:
    return f"{fleet.site.stack.api_url}/v1/provider-webhooks/{connection or show('conn', fleet.account.id)}"


def send(
    fleet: Fleet,
    event: Any,
    *,
    connection: str | None = None,
    secret: str = SECRET,
    age: float = 0,
    headers: Mapping[str, str] | None = None,
) -> httpx2.Response:
    """A webhook as the provider would send it, but for what is said."""
    body, number = json.dumps(event).encode(), f"wh_{next(_numbers)}"
    timestamp = str(int(clock.now().timestamp() - age))
    signed = {
        "webhook-id": number,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(secret, webhook_id=number, timestamp=timestamp, body=body),
    }
    return httpx2.post(hook_url(fleet, connection), content=body, headers=signed | dict(headers or {}))


def age_webhooks(site: Site, *, days: int) -> None:
    administer(site.stack, "UPDATE provider_webhooks SET received_at = received_at - %s * interval '1 day'", days)
