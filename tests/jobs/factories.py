"""A team with money, data and jobs, without an API or a worker process: the test is all of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service import catalog, connections, jobs, tenants
from service.catalog import seed
from service.jobs.models import Job, JobEvent
from service.kit import clock, ids, work
from service.kit.db import unit_of_work
from service.kit.identity import CLI, WORKER
from service.kit.work import Claim, Kind
from tests.datasets.factories import Shelf
from tests.quotas.factories import MODEL, Sums, a_funded_team, sums


class Desk:
    """A team's jobs, from whoever submits them to whoever works on them."""

    def __init__(self, budget: str = "100", *, at: datetime | None = None) -> None:
        self.at = at or clock.now()
        self.team = a_funded_team(budget, at=self.at)
        self.shelf = Shelf(self.team)
        self.actor = self.shelf.actor

    def submit(self, dataset: UUID, **request: Any) -> Job:
        body = {"model": MODEL, "dataset": ids.show("dset", dataset), **request}
        with unit_of_work(self.actor) as session:
            return jobs.submit(session, self.actor, jobs.JobRequest.model_validate(body), self.at)

    def ask(self, verb: Callable[..., Job], job: Job, *about: Any, at: datetime | None = None) -> Job:
        """`verb` of the front door about this job, by somebody of the team."""
        with unit_of_work(self.actor) as session:
            return verb(session, self.actor, ids.show("job", job.id), *about, at or self.at)

    def write(self, job: Job, change: Callable[[Session, Job], Any]) -> None:
        """What a worker records about the job, with it locked."""
        with unit_of_work(self.actor) as session:
            change(session, session.scalars(select(Job).where(Job.id == job.id).with_for_update()).one())

    def row(self, job: Job) -> Job:
        """The job as it stands now."""
        with unit_of_work(self.actor) as session:
            return session.scalars(select(Job).where(Job.id == job.id)).one()

    def history(self, job: Job) -> list[JobEvent]:
        with unit_of_work(self.actor) as session:
            return list(session.scalars(select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.seq)))

    def states(self, job: Job) -> list[str]:
        """Where it has been, in order."""
        return [event.data["state"] for event in self.history(job) if event.type == "state"]

    def money(self) -> Sums:
        return sums(self.team)


def claim(kind: Kind, job: Job) -> Claim:
    with unit_of_work(WORKER) as session:
        (claimed,) = work.claim(session, kind, [job.id])
    return claimed


def age(job: Job, *, seconds: float = 0) -> None:
    """Make the row due, as if so many seconds more had passed."""
    with unit_of_work(WORKER) as session:
        session.execute(
            update(Job).where(Job.id == job.id).values(due_at=func.clock_timestamp() - timedelta(seconds=seconds))
        )


def an_account(name: str, *, provider: str = "emulator") -> str:
    """The shown id of another provider account."""
    with unit_of_work(CLI) as session:
        made = connections.create(
            session, CLI, name=name, kind=connections.Kind.COMPATIBLE, provider=provider,
            base_url="http://127.0.0.1:9/v1", api_key=SecretStr("sk-elsewhere"),
        )  # fmt: skip
    return ids.show("conn", made.id)


def at_account(desk: Desk, account: str) -> None:
    """Let the team's next jobs run there."""
    with unit_of_work(CLI) as session:
        chosen = tenants.TeamUpdate(connection=account)
        tenants.change_team(session, CLI, desk.team.id, chosen, at=clock.now(), connection_id=ids.read("conn", account))


_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)


def training_costs(
    price: str, *, provider: str = "emulator", start: datetime = _LONG_AGO, **changes: dict[str, Any]
) -> None:
    """From `start` on a million tokens cost so much at this provider, which offers what the emulator does.

    `changes` are columns of its base models.
    """
    (offer,) = (one for one in seed.offers() if one.models[0]["provider"] == "emulator")
    models = [{**model, "provider": provider, **changes} for model in offer.models]
    told = {"provider": provider, "amount": Decimal(price), "effective_from": start}
    prices = {one["model"]: {**one, **told} for one in offer.prices if one["meter"] == "training_tokens"}
    with unit_of_work(CLI) as session:
        catalog.load_seed(session, [seed.Offer(models, list(prices.values()))])
