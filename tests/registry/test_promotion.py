from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from service import registry
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import CLI
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.tenants.factories import a_team

pytestmark = pytest.mark.usefixtures("database")


def promote(team: TeamFacts, version: int, name: str = "support-bot", alias: str = "production") -> registry.AliasView:
    with unit_of_work(acting_for(team)) as session:
        return registry.promote(
            session, acting_for(team), name, alias, version=version, reason="because", at=clock.now()
        )


def moves_in_the_audit(team: TeamFacts) -> list[Any]:
    statement = """
        SELECT before, after FROM audit_entries WHERE team_id = :team AND action = 'model.promoted' ORDER BY id
    """
    with unit_of_work(CLI) as session:
        return list(session.execute(text(statement), {"team": team.id}))


def test_an_alias_means_what_was_promoted_and_remembers_what_it_meant() -> None:
    team = a_team()
    a_version(team), a_version(team)
    first = promote(team, 1)
    assert (first.version, first.previous_version, first.reason, first.moved_by) == (1, None, "because", "key_test")
    second = promote(team, 2)
    assert (second.version, second.previous_version) == (2, 1)
    back = promote(team, 1)
    assert (back.version, back.previous_version) == (1, 2)


def test_promoting_what_is_there_already_changes_nothing_and_leaves_no_trace() -> None:
    team = a_team()
    a_version(team)
    assert promote(team, 1) == promote(team, 1)
    assert len(moves_in_the_audit(team)) == 1


def test_each_move_is_in_the_audit_with_before_and_after() -> None:
    team = a_team()
    a_version(team), a_version(team)
    promote(team, 1), promote(team, 2)
    first, second = moves_in_the_audit(team)
    assert first.before is None
    assert second.before["version_id"] == first.after["version_id"]
    assert second.after["version"] == 2


def test_a_version_that_does_not_answer_yet_cannot_be_promoted() -> None:
    team = a_team()
    a_version(team, ready=False)
    with pytest.raises(registry.VersionNotReady, match="Version 1 of 'support-bot' is loading"):
        promote(team, 1)


def test_models_and_versions_that_are_not_there_are_not_found() -> None:
    team, other = a_team(), a_team()
    a_version(team)
    with pytest.raises(registry.VersionNotFound):
        promote(team, 2)
    with pytest.raises(registry.ModelNotFound):
        promote(other, 1)


def test_promotions_at_the_same_moment_come_one_after_the_other() -> None:
    team = a_team()
    for _ in range(4):
        a_version(team)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: promote(team, number), [1, 2, 3, 4]))
    entries = moves_in_the_audit(team)
    assert len(entries) == 4
    for earlier, later in pairwise(entries):
        assert later.before["version_id"] == earlier.after["version_id"]
