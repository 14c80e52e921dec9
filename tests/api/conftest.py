"""Fixtures for those who watch."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.api.watching import SETTINGS, Quiet, Watched
from tests.conftest import Launch
from tests.stack import Platform


@pytest.fixture(scope="module")
def quiet(launch: Launch, platform: Platform) -> Iterator[Quiet]:  # the shared one first: this one's units come after
    with ExitStack() as cleanup:
        stack = launch(cleanup, settings=SETTINGS)
        stack.start_api()
        yield Quiet(stack, Platform(stack))


@pytest.fixture
def watched(quiet: Quiet) -> Watched:
    return quiet.watched()
