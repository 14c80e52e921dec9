"""A process of clients that reserve, charge, release and correct on one team's budget, and take every blow.

    python -m tests.quotas.hot TEAM CLIENTS SEED

It runs until it is killed. What it had begun, another finishes: whoever ends a job takes one that something is held
for, whoever began it.
"""

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service import catalog, costs, quotas, tenants
from service.kit import clock, ids
from service.kit.db import read_only, unit_of_work
from service.kit.errors import LimitReached, Unavailable
from service.kit.identity import CLI, worker_for

MODEL = "gpt-4o-mini-2024-07-18"
TOKENS_MAX = 100_000_000
_TRIES = 5
_ANY = "SELECT job_id FROM reservations WHERE team_id = :team AND state = {} ORDER BY random() LIMIT 1"
# A bill that comes after a release uses money that nobody granted, and the rows do not say so: to let a checker that
# sees nothing else add up what was granted, some jobs are only released and the others only charged.
_TO_RELEASE = text(_ANY.format("'held' AND right(job_id::text, 1) < '3'"))
_TO_CHARGE = text(_ANY.format("'held' AND right(job_id::text, 1) >= '3'"))
_CHARGED = text(_ANY.format("'settled'"))


class HotClient:
    """One client, which does what chance tells it."""

    def __init__(self, team: tenants.TeamFacts, price: catalog.PriceFacts, seed: str) -> None:
        self.team, self.price, self.chance = team, price, random.Random(seed)
        self.actor = worker_for(team.id)

    def run(self) -> None:
        for _ in count():
            verb = self.chance.choices([self.reserve, self.charge, self.release, self.change], [6, 3, 1, 1])[0]
            try:
                verb()
            except (Unavailable, LimitReached):
                continue  # nobody knows, or no room: both are to be survived

    def reserve(self) -> None:
        """Ask for money, and where the answer was lost ask again for the same job."""
        job, tokens = ids.new_id(), self.chance.randrange(100_000)
        amount = Decimal(self.chance.randrange(1, 10**9)).scaleb(-10)
        for _ in range(_TRIES):
            try:
                with unit_of_work(self.actor) as session:
                    quotas.reserve(
                        session, self.team, job, amount,
                        base_model=MODEL, at=clock.now(), tokens=tokens, tokens_max=TOKENS_MAX,
                    )  # fmt: skip
            except Unavailable:
                continue
            except IntegrityError:
                return  # it was granted the first time
            return

    def charge(self) -> None:
        """Book a bill, sometimes above what is held, sometimes twice, sometimes of a second job at the provider."""
        beside = self.chance.random() < 0.05
        job = self._any(_CHARGED if beside else _TO_CHARGE)
        if job is None:
            return
        bill = f"ftjob-{job}" + (f"-{self.chance.randrange(10**9)}" if beside else "")
        tokens = self.chance.randrange(40_000)
        for _ in range(_TRIES):
            try:
                self._book(job, bill, tokens, beside=beside)
            except Unavailable:
                continue
            if self.chance.random() < 0.9:
                return

    def release(self) -> None:
        """Give back."""
        job = self._any(_TO_RELEASE)
        if job is not None:
            with unit_of_work(self.actor) as session:
                costs.release(session, self.team.id, job)

    def change(self) -> None:
        """Hold more or less for a job."""
        job = self._any(_TO_CHARGE)
        amount = Decimal(self.chance.randrange(1, 10**9)).scaleb(-10)
        if job is not None:
            with unit_of_work(self.actor) as session:
                if quotas.held_for(session, self.team.id, job) is not None:
                    quotas.change(
                        session, self.team, job, amount,
                        at=clock.now(), tokens=self.chance.randrange(100_000), tokens_max=TOKENS_MAX,
                    )  # fmt: skip

    def _any(self, statement: object) -> UUID | None:
        with unit_of_work(self.actor) as session:
            found: UUID | None = session.scalar(statement, {"team": self.team.id})  # type: ignore[call-overload]
            return found

    def _book(self, job: UUID, bill: str, tokens: int, *, beside: bool) -> None:
        with unit_of_work(self.actor) as session:
            costs.charge_training(
                session, self.team, job_id=job, connection_id=None, provider="openai", provider_job_id=bill,
                base_model=MODEL, model=None, price=self.price, quantity=tokens, at=clock.now(), beside=beside,
            )  # fmt: skip


def main(slug: str, clients: int, seed: str) -> None:
    with read_only(CLI) as session:
        team = tenants.find_team(session, slug)
        price = catalog.price(session, "openai", MODEL, "training_tokens", clock.now())
    with ThreadPoolExecutor(clients) as crowd:
        for number in range(clients):
            crowd.submit(HotClient(team, price, f"{seed}/{number}").run)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
