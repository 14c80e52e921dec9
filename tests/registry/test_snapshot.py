import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError

from service import registry, tenants
from service.kit import clock
from service.kit.db import engine, read_only, unit_of_work
from service.kit.identity import CLI, RESOLVER
from service.kit.ids import read
from service.registry import promote
from tests.registry.factories import a_version, acting_for
from tests.tenants.factories import a_key, a_team

pytestmark = pytest.mark.usefixtures("database")


def load() -> registry.Snapshot:
    with read_only(RESOLVER) as session:
        return registry.load_snapshot(session)


def test_the_snapshot_holds_every_team_s_aliases_and_what_they_meant_before() -> None:
    team, other = a_team(), a_team()
    a_version(team, model="ft:old"), a_version(team, model="ft:new"), a_version(other, model="ft:theirs")
    with unit_of_work(acting_for(team)) as session:
        for number in (1, 2):
            promote(session, acting_for(team), "support-bot", "production", version=number, reason=None, at=clock.now())
    with unit_of_work(acting_for(other)) as session:
        promote(session, acting_for(other), "support-bot", "staging", version=1, reason=None, at=clock.now())
    found = {(one.team_id, one.alias): one for one in load().resolutions}
    ours, theirs = found[team.id, "production"], found[other.id, "staging"]
    assert (ours.model, ours.previous_model, ours.version) == ("ft:new", "ft:old", 2)
    assert (theirs.model, theirs.previous_model) == ("ft:theirs", None)


def test_keys_are_in_it_until_they_are_revoked() -> None:
    team = a_team()
    view, plaintext = a_key(team, tenants.Role.RESOLVER)
    parsed = tenants.parse_key(plaintext)
    assert parsed is not None
    record = load().keys[parsed[0]]
    assert (record.team_id, record.role, record.digest) == (team.id, "resolver", tenants.digest(parsed[1]))
    with unit_of_work(CLI) as session:
        tenants.revoke_key(session, CLI, read("key", view.id), team_id=team.id, at=clock.now())
    assert parsed[0] not in load().keys


def test_everything_is_loaded_by_two_statements() -> None:
    seen: list[str] = []

    def note(*args: object) -> None:
        seen.append(str(args[2]))

    with read_only(RESOLVER) as session:
        event.listen(engine(), "before_cursor_execute", note)
        try:
            registry.load_snapshot(session)
        finally:
            event.remove(engine(), "before_cursor_execute", note)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "statement", ["SELECT reason FROM teams", "SELECT notes FROM model_versions", "DELETE FROM aliases"]
)
def test_its_role_sees_and_does_nothing_else(statement: str) -> None:
    with pytest.raises(ProgrammingError), unit_of_work(RESOLVER) as session:
        session.execute(text(statement))


def marked() -> registry.Mark:
    with read_only(RESOLVER) as session:
        return registry.mark(session)


def changes(since: registry.Mark) -> registry.Changes:
    with read_only(RESOLVER) as session:
        return registry.load_changes(session, since, registry.mark(session))


def move(team: tenants.TeamFacts, version: int, alias: str = "production") -> None:
    with unit_of_work(acting_for(team)) as session:
        promote(session, acting_for(team), "support-bot", alias, version=version, reason=None, at=clock.now())


def test_what_has_moved_is_told_and_nothing_else() -> None:
    team, other = a_team(), a_team()
    for one in (team, other):
        a_version(one, model="ft:old"), a_version(one, model="ft:new")
        move(one, 1)
        move(one, 1, "staging")
    before = marked()
    move(team, 2)
    seen = changes(before)
    assert {team_id for team_id, _ in seen.models} == {team.id}
    assert {(one.alias, one.model) for one in seen.resolutions} == {("production", "ft:new"), ("staging", "ft:old")}
    assert seen.keys is None
    assert not changes(marked()).models


def test_a_move_that_is_not_committed_yet_is_told_once_it_is() -> None:
    """However many others began and ended after it began."""
    team, quick = a_team(), a_team()
    for one in (team, quick):
        a_version(one, model="ft:old"), a_version(one, model="ft:new")
        move(one, 1)
    with unit_of_work(acting_for(team)) as session:
        promote(session, acting_for(team), "support-bot", "production", version=2, reason=None, at=clock.now())
        session.flush()
        move(quick, 2)
        before = marked()  # the quick one is in it, this one is not
        assert team.id not in {team_id for team_id, _ in changes(before).models}
    assert ("ft:new", team.id) in {(one.model, one.team_id) for one in changes(before).resolutions}


def test_keys_are_read_again_only_when_they_are_others() -> None:
    team = a_team()
    before = marked()
    view, plaintext = a_key(team, tenants.Role.RESOLVER)
    parsed = tenants.parse_key(plaintext)
    assert parsed is not None
    with_it = changes(before).keys
    assert with_it is not None
    assert parsed[0] in with_it
    since = marked()
    assert changes(since).keys is None
    with unit_of_work(CLI) as session:
        tenants.revoke_key(session, CLI, read("key", view.id), team_id=team.id, at=clock.now())
    without = changes(since).keys
    assert without is not None
    assert parsed[0] not in without
