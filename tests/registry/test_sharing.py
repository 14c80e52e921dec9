"""Who finds whose models: one's own by name, others' as `owner:name` once they are shared, and nobody else's."""

from uuid import UUID

import pytest
from sqlalchemy import text

from service import registry
from service.kit.db import read_only, unit_of_work
from service.registry import ModelUpdate, Search
from service.tenants import TeamFacts
from tests.registry.factories import a_version, acting_for
from tests.tenants.factories import a_team

pytestmark = pytest.mark.usefixtures("database")


def update(owner: TeamFacts, wanted: ModelUpdate, teams: dict[str, UUID] | None = None) -> registry.ModelView:
    with unit_of_work(acting_for(owner)) as session:
        return registry.update_model(session, acting_for(owner), "support-bot", wanted, teams)


def shared_names(team: TeamFacts, owner: TeamFacts) -> list[str]:
    with read_only(acting_for(team)) as session:
        page = registry.list_models(session, team.id, Search(shared=True), after=None, limit=100)
    return [one.name for one in page.data if one.owner == owner.slug]


def names(team: TeamFacts, wanted: Search) -> list[str]:
    with read_only(acting_for(team)) as session:
        return [one.name for one in registry.list_models(session, team.id, wanted, after=None, limit=100).data]


def test_a_model_is_its_teams_until_it_is_shared() -> None:
    owner, friend, stranger = a_team(), a_team(), a_team()
    a_version(owner, model="ft:ours")
    called = f"{owner.slug}:support-bot"
    for team in (friend, stranger):
        with read_only(acting_for(team)) as session, pytest.raises(registry.ModelNotFound):
            registry.find_model(session, team.id, called)
    update(owner, ModelUpdate(visibility="shared"), {friend.slug: friend.id})
    with read_only(acting_for(friend)) as session:
        view = registry.find_model(session, friend.id, called)
        assert [one.model for one in view.versions] == ["ft:ours"]
        with pytest.raises(registry.ModelNotFound):
            registry.find_model(session, friend.id, "support-bot")
    assert (shared_names(friend, owner), shared_names(stranger, owner)) == (["support-bot"], [])
    update(owner, ModelUpdate(visibility="company"))
    assert shared_names(stranger, owner) == ["support-bot"]
    update(owner, ModelUpdate(visibility="team"))
    assert (shared_names(friend, owner), shared_names(stranger, owner)) == ([], [])


def test_what_is_shared_is_read_and_never_changed() -> None:
    owner, friend = a_team(), a_team()
    a_version(owner)
    update(owner, ModelUpdate(visibility="company"))
    for statement in (
        "UPDATE models SET notes = 'spy' WHERE team_id = :team",
        "UPDATE model_versions SET notes = 'spy' WHERE team_id = :team",
        "DELETE FROM alias_targets WHERE team_id = :team",
    ):
        with unit_of_work(acting_for(friend)) as session:
            changed = session.execute(text(statement), {"team": owner.id})
            assert changed.rowcount == 0  # type: ignore[attr-defined]


def test_what_is_left_out_of_a_change_stays() -> None:
    owner, friend = a_team(), a_team()
    a_version(owner)
    update(owner, ModelUpdate(visibility="shared", notes="ask first", fallback="gpt-5"), {friend.slug: friend.id})
    view = update(owner, ModelUpdate(notes=None))
    assert (view.visibility, view.shared_with, view.notes, view.fallback) == ("shared", [friend.slug], None, "gpt-5")


def test_models_are_searched_by_what_their_versions_are() -> None:
    team = a_team()
    a_version(team, "support-bot"), a_version(team, "sales_bot", ready=False)
    assert names(team, Search(name="bot")) == ["sales_bot", "support-bot"]
    assert names(team, Search(name="s_b")) == ["sales_bot"], "no wildcard"
    assert names(team, Search(state=registry.State.LOADING)) == ["sales_bot"]
    assert names(team, Search(base_model="another")) == []


def test_a_change_of_anything_shown_touches_the_model() -> None:
    team = a_team()
    version = a_version(team)

    def touched() -> int:
        with read_only(acting_for(team)) as session:
            found = session.execute(text("SELECT touched FROM models WHERE id = :id"), {"id": version.model_id})
            return int(found.scalar_one())

    seen = [touched()]
    for change in (
        "UPDATE models SET notes = 'x' WHERE id = :id",
        "UPDATE model_versions SET state = 'unavailable' WHERE model_id = :id",
    ):
        with unit_of_work(acting_for(team)) as session:
            session.execute(text(change), {"id": version.model_id})
        seen.append(touched())
    assert seen == sorted(set(seen))
    with unit_of_work(acting_for(team)) as session:
        session.execute(text("UPDATE model_versions SET due_at = now() WHERE model_id = :id"), {"id": version.model_id})
    assert touched() == seen[-1], "a probe that changes nothing is not shown"
