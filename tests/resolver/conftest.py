from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Launch
from tests.resolver.served import Clock, Served, serve
from tests.resolver.twins import Asking, InALoop, Threaded


@pytest.fixture(scope="module")
def own_served(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API of this module's, which its tests stop and start, and leave running."""
    with ExitStack() as cleanup:
        yield serve(launch(cleanup), tmp_path_factory.mktemp("unused"))


@pytest.fixture
def served(own_served: Served, tmp_path: Path) -> Served:
    """Production means the first version, nothing is known yet, and the clock is right."""
    own_served.promote(1)
    return Served(own_served.stack, own_served.team, own_served.key, tmp_path / "answers", Clock())


@pytest.fixture(params=[Threaded, InALoop], ids=["threads", "asyncio"])
def started(request: pytest.FixtureRequest, served: Served) -> Iterator[Callable[..., Asking]]:
    """Makes a resolver, with the options given, as in a process that has just started."""
    with ExitStack() as cleanup:

        def start(**options: Any) -> Asking:
            made: Asking = request.param(served, **{"folder": served.folder, **options})
            cleanup.callback(made.close)
            return made

        yield start
