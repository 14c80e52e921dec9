"""What is held in memory: however it came to be, change by change or all at once, it is the same."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from service import tenants
from service.api.served import prepare, update
from service.registry import Changes, Resolution, Snapshot

NOW: Final = datetime(2026, 11, 20, tzinfo=UTC)
TEAMS: Final = [UUID(int=1), UUID(int=2)]
# What each alias of each model serves: the version's number, if any.
World = dict[tuple[UUID, UUID, str], int | None]
WORLDS: Final = st.dictionaries(
    st.tuples(st.sampled_from(TEAMS), st.sampled_from([UUID(int=11), UUID(int=12)]), st.sampled_from(["prod", "test"])),
    st.none() | st.integers(1, 3),
)
KEYS: Final = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.builds(
        tenants.KeyRecord, key_id=st.just("a"), digest=st.just(b""), team_id=st.sampled_from(TEAMS),
        role=st.just(tenants.Role.RESOLVER), expires_at=st.none(),
    ),
)  # fmt: skip


def resolutions(world: World, models: Any = None) -> list[Resolution]:
    return [
        Resolution(
            team_id=team,
            model_id=model,
            name=f"model-{model.int}",
            alias=alias,
            model=f"ft:{version}",
            base_model="m",
            version=version,
            job_id=None,
            activated_at=NOW,
            shutdown_date=None,
            previous_model=None,
        )
        for (team, model, alias), version in sorted(world.items())
        if version is not None and (models is None or (team, model) in models)
    ]


def facts(served: Any) -> Any:
    held = {(one.team_id, one.name, one.alias): one for one in served.snapshot().resolutions}
    return held, dict(served.keys)


@given(first=WORLDS, then=st.lists(st.tuples(WORLDS, KEYS), max_size=4), more=st.sets(st.sampled_from(TEAMS)))
def test_changes_one_by_one_come_to_what_a_whole_load_gives(
    first: World, then: list[tuple[World, dict[str, tenants.KeyRecord]]], more: set[UUID]
) -> None:
    served = prepare(Snapshot({}, resolutions(first)), max_age_seconds=30)
    world, keys = first, dict[str, tenants.KeyRecord]()
    for changed, keys_now in then:
        models = {(team, model) for team, model, _ in changed} | {(team, UUID(int=11)) for team in more}
        world = {at: version for at, version in world.items() if at[:2] not in models or at in changed} | changed
        dropped = {at for at in world if at[:2] in models and at not in changed}
        world = {at: version for at, version in world.items() if at not in dropped}
        changes = Changes(models, resolutions(world, models), None if keys_now == keys else keys_now)
        keys, served = keys_now, update(served, changes)
        assert facts(served) == facts(prepare(Snapshot(keys, resolutions(world)), max_age_seconds=30))
        assert prepare(Snapshot(keys, resolutions(world)), max_age_seconds=30, before=served) is served or not all(
            served.teams.values()
        )


def test_what_changes_nothing_leaves_everything_as_it_is() -> None:
    at = (TEAMS[0], UUID(int=11), "prod")
    served = prepare(Snapshot({}, resolutions({at: 1})), max_age_seconds=30)
    assert update(served, Changes([at[:2]], resolutions({at: 1}), None)) is served
    assert update(served, Changes([(TEAMS[1], UUID(int=12))], [], {})) is served


def test_only_what_changes_gets_another_answer() -> None:
    kept, moved = (TEAMS[0], UUID(int=11), "prod"), (TEAMS[0], UUID(int=12), "prod")
    served = prepare(Snapshot({}, resolutions({kept: 1, moved: 1})), max_age_seconds=30)
    after = update(served, Changes([moved[:2]], resolutions({moved: 2}), None))
    assert after.find(TEAMS[0], "model-11", "prod") is served.find(TEAMS[0], "model-11", "prod")
    found = after.find(TEAMS[0], "model-12", "prod")
    assert found is not None
    assert found.resolution.version == 2
    gone = update(after, Changes([moved[:2]], [], None))
    assert gone.find(TEAMS[0], "model-12", "prod") is None
    assert gone.find(TEAMS[0], "model-11", "prod") is not None
