"""Random moves against a model that is a list: history, `?at=`, rolling back and conditions always agree with it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from service import registry
from service.kit.db import read_only, unit_of_work
from service.registry import AliasView, Move, Share
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.tenants.factories import a_team

pytestmark = pytest.mark.usefixtures("database")
NAME, ALIAS, VERSIONS = "support-bot", "production", 5
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
Served = dict[int, int]


class Model:
    """What the registry should say: each move's instant and what it served, by version."""

    def __init__(self) -> None:
        self.history: list[tuple[datetime, Served]] = []

    @property
    def serving(self) -> Served:
        return self.history[-1][1] if self.history else {}

    def previous(self) -> int | None:
        """What last had everything before, and is not what has it now."""
        now = next(iter(self.serving)) if len(self.serving) == 1 else None
        wholes = (next(iter(one)) for _, one in reversed(self.history[:-1]) if len(one) == 1)
        return next((one for one in wholes if one != now), None)

    def move(self, at: datetime, served: Served) -> None:
        if served != self.serving:
            self.history.append((at, served))

    def at(self, instant: datetime) -> Served | None:
        return next((served for at, served in reversed(self.history) if at <= instant), None)


class World:
    """A team's alias, moved in step with the model."""

    def __init__(self, team: TeamFacts, seed: int) -> None:
        self.team, self.model, self.chance, self.at = team, Model(), random.Random(seed), START

    def step(self) -> None:
        self.at += timedelta(seconds=self.chance.randint(0, 3))
        revision = len(self.model.history)
        kind = self.chance.choice(["promote", "promote", "split", "back", "named", "stop", "remove", "stale"])
        exists = bool(self.model.serving)
        expected = revision if exists and self.chance.random() < 0.5 else None
        if kind == "stale":
            with pytest.raises(registry.AliasMoved):
                self.serve({1: 10_000}, revision + self.chance.choice([-1, 1]))
        elif kind in {"promote", "split"}:
            wanted = self.shares(1 if kind == "promote" else self.chance.randint(2, 4))
            self.check(self.serve(wanted, expected), wanted)
        elif not exists:
            with pytest.raises(registry.NothingServed):
                self.apply(kind, None)
        elif kind == "back" and self.model.previous() is None:
            with pytest.raises(registry.NothingBefore):
                self.apply(kind, expected)
        else:
            self.apply(kind, expected)

    def shares(self, count: int) -> Served:
        versions = self.chance.sample(range(1, VERSIONS + 1), count)
        cuts = sorted(self.chance.sample(range(1, 10_000), count - 1))
        return dict(zip(versions, (b - a for a, b in zip([0, *cuts], [*cuts, 10_000], strict=True)), strict=True))

    def serve(self, wanted: Served, expected: int | None) -> AliasView:
        with unit_of_work(acting_for(self.team)) as session:
            shares = [Share(version=version, weight=weight) for version, weight in wanted.items()]
            return registry.split(session, self.move(expected), NAME, ALIAS, shares)

    def move(self, expected: int | None) -> Move:
        return Move(acting_for(self.team), self.at, "because", expected)

    def apply(self, kind: str, expected: int | None) -> None:
        previous, move = self.model.previous(), self.move(expected)
        with unit_of_work(acting_for(self.team)) as session:
            if kind == "remove":
                registry.remove(session, move, NAME, ALIAS)
                self.model.move(self.at, {})
                return
            if kind == "stop":
                view = registry.stop(session, move, NAME, ALIAS)
                main = max(self.model.serving, key=lambda one: (self.model.serving[one], -one))
                whole = {previous or main: 10_000}
                wanted = whole if len(self.model.serving) > 1 else self.model.serving
            else:
                number = self.chance.randint(1, VERSIONS) if kind == "named" else None
                view = registry.roll_back(session, move, NAME, ALIAS, version=number)
                wanted = {number or previous or 0: 10_000}
        self.check(view, wanted)

    def check(self, view: AliasView, wanted: Served) -> None:
        self.model.move(self.at, wanted)
        assert {one.version: one.weight for one in view.targets} == wanted
        assert wanted[view.version] == max(wanted.values())
        assert (view.revision, view.previous_version) == (len(self.model.history), self.model.previous())


@pytest.mark.parametrize("moves", [150, pytest.param(10_000, marks=[pytest.mark.faults, pytest.mark.timeout(1800)])])
def test_random_moves_agree_with_the_model(moves: int) -> None:
    team = a_team()
    for _ in range(VERSIONS):
        a_version(team)
    seed = random.randrange(2**32)
    print("seed", seed)  # shown when it fails
    world = World(team, seed)
    for _ in range(moves):
        world.step()
    told: list[registry.MoveView] = []
    with read_only(acting_for(team)) as session:
        while True:
            after = told[-1].revision if told else None
            page = registry.moves(session, team.id, NAME, ALIAS, at=None, after=after, limit=100)
            told += page.data
            if not page.has_more:
                break
        shown = [(one.revision, one.at, {t.version: t.weight for t in one.targets}) for one in reversed(told)]
        assert shown == [(n, at, served) for n, (at, served) in enumerate(world.model.history, 1)]
        for _ in range(min(moves, 500)):
            instant = START + (world.at - START) * world.chance.random()
            expected = world.model.at(instant)
            if expected is not None:
                (one,) = registry.moves(session, team.id, NAME, ALIAS, at=instant, after=None, limit=1).data
                assert {t.version: t.weight for t in one.targets} == expected
