from collections.abc import Iterator

import pytest

from tests.emulator.world import Emulator, Project


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def world(running_emulator: Emulator) -> Iterator[Emulator]:
    yield running_emulator
    running_emulator.reset()


@pytest.fixture
def project(world: Emulator) -> Iterator[Project]:
    project = world.new_project()
    yield project
    project.close()


@pytest.fixture
def other_project(world: Emulator) -> Iterator[Project]:
    project = world.new_project()
    yield project
    project.close()
