"""A month in the life of twenty teams, lived at a real emulator and booked through the front doors, day by day.

The month is over, so that it can be closed. Everything that makes one hard is in it: teams that are renamed, moved to
another cost center and archived halfway; a price that rises on the 16th; jobs that fail, are stopped, cost more than
was held for them, or are paid by the hour; tuned models used by keys we know and by one we do not. What the bill of the
emulator gets wrong is planted, and listed in `planted`.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from service import catalog, costs, tenants
from service.costs.flows import read_usage, reconcile
from service.kit import money
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.costs.metered import Organisation, an_organisation
from tests.emulator.test_methods import reinforced
from tests.emulator.world import Emulator, Project
from tests.quotas.factories import a_funded_team, hold
from tests.tenants.factories import acting_for
from tests.until import until

TEAMS: Final = 20
MINI, NEWER, NANO, REASONER = (
    "gpt-4o-mini-2024-07-18", "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14", "o4-mini-2025-04-16",
)  # fmt: skip
RISES_ON: Final = 16
ZONES: Final = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles")
ENOUGH: Final = "20"  # held for a job; the dearest is paid by the hour
TOO_LITTLE: Final = "0.0000000001"
DEAR, DRIFT = 16, Decimal("1.1")  # the number of a team whose training is billed too dear, and how much


@dataclass(frozen=True)
class Fate:
    """What becomes of a job: stopped after so many seconds, failed, or trained to its end."""

    name: str
    held: str = ENOUGH
    stopped_after: int | None = None


TRAINED, FAILED, STOPPED, OVERRUN = (
    Fate("trained"), Fate("failed"), Fate("stopped", stopped_after=40), Fate("overrun", held=TOO_LITTLE),
)  # fmt: skip


Planted = tuple[str, date, str, str]
"""What reconciling has to say: the cause, the day, the line and the key."""


@dataclass
class Month:
    """What was lived through. `first` is its first day."""

    first: date
    emulator: Emulator
    organisation: Organisation
    teams: list[TeamFacts] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    planted: defaultdict[Planted, Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )  # by how much the bill is beside the ledger
    fates: Counter[str] = field(default_factory=Counter)
    models: list[tuple[int, str]] = field(default_factory=list)  # a team's number, and a model it has made

    @property
    def after(self) -> datetime:
        """Some days after its end, when everything has been told."""
        return datetime.combine(costs.period(f"{self.first:%Y-%m}").end.date(), datetime.min.time(), UTC) + timedelta(
            days=6, hours=9
        )

    @property
    def end(self) -> date:
        """The first day of the next month."""
        return costs.period(f"{self.first:%Y-%m}").end.date()

    def at(self, day: int, hour: int = 8) -> datetime:
        """An instant on one of its days, numbered from one."""
        return datetime(self.first.year, self.first.month, day, hour, tzinfo=UTC)


def last_month(today: date) -> date:
    """The first day of the month before."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


@contextmanager
def a_month(first: date) -> Iterator[Month]:
    """Live through it."""
    with Emulator("--start", first.isoformat()) as emulator, an_organisation(emulator) as organisation:
        month = Month(first, emulator, organisation)
        _found(month)
        _raise_the_price(month)
        _plant(month)
        diary = _diary(month)
        for day, _, happens in sorted(diary, key=lambda one: one[:2]):
            _wait_for(month, month.at(day))
            happens()
        _wait_for(month, month.after)
        _read(month)
        yield month
        for project in month.projects:
            project.close()


def _found(month: Month) -> None:
    """Teams in four time zones, five cost centers and three products, each with a project of the provider."""
    for number in range(TEAMS):
        team = a_funded_team(
            "1000", at=month.at(1), name=f"Team {number}", cost_center=f"CC-{number % 5}", product=f"p{number % 3}",
            environment="prod" if number % 2 else "test", time_zone=ZONES[number % 4],
        )  # fmt: skip
        month.teams.append(team)
        month.projects.append(month.emulator.new_project())


def _raise_the_price(month: Month) -> None:
    """From the 16th on one model costs a fifth more, in our book and, where it is trained from then on, on the bill."""
    with read_only(CLI) as session:
        now = catalog.price(session, "openai", NEWER, "training_tokens", month.at(1))
    dearer = catalog.PriceCreate(
        provider="openai", model=NEWER, meter="training_tokens", amount=money.text(now.amount * Decimal("1.2")),
        list_amount=money.text(now.amount * Decimal("1.5")), effective_from=month.at(RISES_ON, 0),
    )  # fmt: skip
    with unit_of_work(CLI) as session:
        catalog.add_price(session, CLI, dearer, at=month.at(1))
    for project in month.projects[10:15]:
        month.emulator.tell("/discrepancies", kind="drift", factor="1.2", line_item="training", project=project.name)


def _plant(month: Month) -> None:
    """What is wrong with the bill: a price, a job nobody submitted, a line nobody knows. And a key nobody knows."""
    emulator, project = month.emulator, month.projects[3].name
    emulator.tell(
        "/discrepancies", kind="drift", factor=str(DRIFT), line_item="training", project=month.projects[DEAR].name
    )
    for day, line in (
        (9, {"line_item": "gpt-4o-2024-08-06, training", "quantity": "10000"}),
        (11, {"line_item": "attic"}),
    ):
        at = month.at(day).timestamp()
        emulator.tell("/discrepancies", kind="extra", project=project, api_key="key_x", amount="0.25", at=at, **line)
    month.planted["unknown_job", month.at(9).date(), "gpt-4o-2024-08-06, training_tokens", ""] += Decimal("0.25")
    month.planted["unexplained", month.at(11).date(), "attic", "key_x"] += Decimal("0.25")
    at = month.at(23).timestamp()
    emulator.tell(
        "/usage", model=f"ft:{MINI}:acme::stranger", project="proj_x", api_key="key_y", output_tokens=900, at=at
    )
    month.planted["unmapped_key", month.at(23).date(), "", "key_y"] += Decimal(0)


Happening = tuple[int, int, Callable[[], None]]


def _diary(month: Month) -> list[Happening]:
    """What happens on which day, and in which order."""
    dice = random.Random(month.first.toordinal())
    happenings: list[tuple[int, Callable[[], None]]] = []
    for number in range(TEAMS):
        newer = 5 <= number < 15
        days = range(RISES_ON, 28) if 10 <= number < 15 else range(1, RISES_ON if newer else 28)
        chosen = dice.sample((TRAINED, TRAINED, FAILED, STOPPED, OVERRUN), 3)
        for fate in chosen if number != DEAR else [TRAINED, OVERRUN]:
            base = NEWER if newer else dice.choice((MINI, NANO))
            happenings.append((dice.choice(days), partial(_job, month, number, base, fate)))
    happenings += [(day, partial(_job, month, number, REASONER, TRAINED)) for number, day in ((0, 7), (19, 22))]
    happenings += [
        (12, partial(_change, month, 1, name="Renamed")),
        (14, partial(_change, month, 2, cost_center="CC-9", product="moved")),
        (27, partial(_change, month, 4, archived=True)),
    ]
    happenings += [(day, partial(_read, month)) for day in (8, 15, 22, 28)]
    happenings += [(day, partial(_use, month, dice)) for day in range(20, 28)]
    return [(day, nth, happens) for nth, (day, happens) in enumerate(happenings)]


def _job(month: Month, number: int, base: str, fate: Fate) -> None:
    """One job from its reservation to its bill, as workers book it."""
    team, project, emulator = month.teams[number], month.projects[number], month.emulator
    job_id = hold(team, fate.held, at=_now(month))
    if fate is FAILED:
        emulator.tell("/fates", kind="fails", times=1)
    remote = reinforced(project) if base == REASONER else project.submit(model=base)
    if fate.stopped_after:
        emulator.advance(fate.stopped_after)
        project.openai.fine_tuning.jobs.cancel(remote)
    emulator.advance(900)
    done = until(partial(_ended, project, remote), within=30)
    truth = project.truth(remote)
    month.fates[fate.name] += 1
    at = datetime.fromtimestamp(truth["cancelled_at"] or done.finished_at or _now(month).timestamp(), UTC)
    if number == DEAR:
        too_much = Decimal(truth["cost_units"]) / 1_000_000 * (DRIFT - 1)
        month.planted["price_drift", at.date(), f"{base}, training_tokens", ""] += too_much
    hours = base == REASONER
    with unit_of_work(acting_for(team)) as session:
        price = catalog.price(session, "openai", base, "training_hours" if hours else "training_tokens", at)
        costs.charge_training(
            session, team, job_id=job_id, connection_id=month.organisation.connection, provider="openai",
            provider_job_id=remote, base_model=base, model=done.fine_tuned_model, price=price,
            quantity=truth["billed_seconds"] if hours else truth["billed_tokens"], at=at,
            accrued=bool(fate.stopped_after),
        )  # fmt: skip
    if done.fine_tuned_model:
        month.models.append((number, done.fine_tuned_model))


def _ended(project: Project, remote: str) -> Any:
    found = project.openai.fine_tuning.jobs.retrieve(remote)
    return found if found.status in ("succeeded", "failed", "cancelled") else None


def _change(month: Month, number: int, **facts: Any) -> None:
    team = month.teams[number]
    with unit_of_work(CLI) as session:
        tenants.change_team(session, CLI, team.id, tenants.TeamUpdate(**facts), at=_now(month))
        month.teams[number] = tenants.team(session, team.id)


def _use(month: Month, dice: random.Random) -> None:
    """Some of the tuned models answer their chatbots."""
    for number, model in dice.sample(month.models, min(4, len(month.models))):
        month.emulator.tell(
            "/usage", model=model, project=month.projects[number].name, api_key=month.projects[number].key_id,
            input_tokens=dice.randrange(1_000, 90_000), output_tokens=dice.randrange(100, 9_000), requests=17,
        )  # fmt: skip


def _read(month: Month) -> None:
    """As the ticks do."""
    read_usage(_now(month))
    reconcile(_now(month))


def _now(month: Month) -> datetime:
    return datetime.fromtimestamp(month.emulator.ask("/clock")["now"], UTC)


def _wait_for(month: Month, moment: datetime) -> None:
    month.emulator.advance(max(0.0, (moment - _now(month)).total_seconds()))
