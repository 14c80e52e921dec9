"""Versions with defaults that make sense, made through the registry's front door."""

from uuid import UUID, uuid4

from service import connections, registry
from service.datasets.models import Dataset
from service.kit import clock, work
from service.kit.db import unit_of_work
from service.kit.identity import WORKER, Actor, DbRole
from service.kit.ids import new_id
from service.registry import VersionFacts
from service.registry.models import ModelVersion
from service.tenants import TeamFacts


def acting_for(team: TeamFacts) -> Actor:
    """Somebody of the team."""
    return Actor(db_role=DbRole.TEAM, name="key_test", team_id=team.id)


def a_dataset(team: TeamFacts) -> UUID:
    """A file the team has trained on; what is in it does not matter here."""
    row = Dataset(
        id=new_id(), team_id=team.id, name="train", filename="train.jsonl", sha256=uuid4().hex * 2, bytes=1,
        storage_key="none", created_by="key_test", state="ready",
    )  # fmt: skip
    with unit_of_work(acting_for(team)) as session:
        session.add(row)
    return row.id


def a_version(
    team: TeamFacts,
    name: str = "support-bot",
    *,
    model: str = "ft:base:acme::1",
    job: UUID | None = None,
    ready: bool = True,
    promote_to: str | None = None,
) -> VersionFacts:
    """The next version of the model, as a succeeded job registers it, and by default ready as a probe leaves it."""
    dataset = a_dataset(team)
    with unit_of_work(WORKER) as session:
        connection = connections.default(session)
    assert connection is not None
    with unit_of_work(acting_for(team)) as session:
        version = registry.register(
            session, acting_for(team), team_id=team.id, name=name, job_id=job or new_id(), provider_model_id=model,
            base_model="base", connection_id=connection.id, dataset_id=dataset, shutdown_date=None,
            promote_to=promote_to,
        )  # fmt: skip
        if ready:
            row = session.get_one(ModelVersion, version.id)
            row.state, row.ready_at = registry.State.READY, clock.now()
            work.finish(row)
    return version
