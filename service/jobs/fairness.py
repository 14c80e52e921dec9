"""Whose turn it is, and how long until it is one's own. Pure decisions; docs/decisions/0005-fair-turns.md has the why.

A lane is one base model at one provider account. Inside it the next free slot is for the team that holds the fewest of
its slots for its weight, so that a team without a job there comes before every other. Teams that hold equally many
take turns in proportion to their weights: each carries the mark of its last turn, the next one is marked 1/weight
further, and the lowest mark is served. Who was away begins where the others are: nobody saves turns up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final
from uuid import UUID

_UNLIMITED: Final = 2**31


@dataclass(slots=True)
class Contender:
    """A team with jobs waiting in a lane: the first of them in their order, and what it has there already."""

    team: UUID
    waiting: list[UUID]
    since: datetime  # the first one's `turn_at`
    held: int
    weight: float = 1.0
    mark: float | None = None  # of its last turn here; none yet

    def next_mark(self, lane_mark: float) -> float:
        """The mark its next turn would carry."""
        return lane_mark if self.mark is None else max(self.mark + 1 / self.weight, lane_mark)


@dataclass(slots=True)
class Lane:
    """One base model at one account: slots that are free (None: any number), and jobs on their way to the provider."""

    connection: UUID
    base_model: str
    free: int | None
    entering: int
    contenders: list[Contender]
    mark: float = 0.0  # of the last turn, whoever had it

    def next(self, rooms: Mapping[UUID, int]) -> Contender | None:
        """Whose turn it is, of those who may have another job under way."""
        able = [one for one in self.contenders if one.waiting and rooms.get(one.team, _UNLIMITED) > 0]
        return min(able, key=self._order, default=None) if self.free is None or self.free > 0 else None

    def _order(self, one: Contender) -> tuple[float, float, datetime, UUID]:
        return one.held / one.weight, one.next_mark(self.mark), one.since, one.team


@dataclass(frozen=True, slots=True)
class Turn:
    """One job that may go, and the mark its team carries from then on."""

    job: UUID
    team: UUID
    connection: UUID
    base_model: str
    mark: float


def share_out(lanes: Iterable[Lane], *, entrances: Mapping[UUID, int], rooms: Mapping[UUID, int]) -> list[Turn]:
    """Give away what is free, one turn after the other; `lanes` are used up.

    `entrances`: how many more jobs may be on their way, by account. Lanes share them evenly. `rooms`: how many more
    jobs a team may have under way in all lanes together; absent: any number.
    """
    lanes, entrances, rooms = list(lanes), dict(entrances), dict(rooms)
    turns: list[Turn] = []
    while True:
        entered = [lane for lane in lanes if entrances[lane.connection] > 0]
        offers = [(lane, whose) for lane in entered if (whose := lane.next(rooms)) is not None]
        if not offers:
            return turns
        lane, whose = min(offers, key=lambda offer: (offer[0].entering, offer[1].since, offer[1].team))
        turns.append(_serve(lane, whose))
        entrances[lane.connection] -= 1
        if whose.team in rooms:
            rooms[whose.team] -= 1


def _serve(lane: Lane, whose: Contender) -> Turn:
    whose.mark = lane.mark = whose.next_mark(lane.mark)
    whose.held += 1
    lane.entering += 1
    if lane.free is not None:
        lane.free -= 1
    return Turn(whose.waiting.pop(0), whose.team, lane.connection, lane.base_model, lane.mark)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a team stands in a lane."""

    waiting: int
    held: int
    weight: float


def place(mine: Standing, *, ahead: int, others: Iterable[Standing]) -> int:
    """Which turn from now on is that of a job with `ahead` of its own team's before it: 1 is the next.

    An estimate as of now: it counts for each other team the turns it gets until ours holds as many more for its weight,
    and leaves out what is still to come or to end.
    """
    level = (mine.held + ahead) / mine.weight
    before = (min(other.waiting, max(0, ceil(level * other.weight - other.held))) for other in others)
    return ahead + 1 + sum(before)


def expected_at(place: int, *, slots: int | None, mean: timedelta | None, now: datetime) -> datetime | None:
    """When that turn comes if jobs go on taking as long as the last ones. None where that is not known."""
    return now + mean * (place / slots) if slots and mean is not None else None
