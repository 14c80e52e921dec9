"""A new version between real workers."""

import pytest

from service.kit.db import unit_of_work
from service.registry.models import ModelVersion
from tests.registry.factories import a_version, acting_for
from tests.tenants.factories import a_team
from tests.until import until


@pytest.mark.usefixtures("workers")
def test_the_worker_brings_a_new_version_to_ready() -> None:
    team = a_team()
    made = a_version(team, model="gpt-4o-mini-2024-07-18", ready=False)

    def is_ready() -> bool:
        with unit_of_work(acting_for(team)) as session:
            return session.get_one(ModelVersion, made.id).state == "ready"

    until(is_ready, within=30)
