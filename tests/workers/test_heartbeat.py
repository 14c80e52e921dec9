"""The sign of life that a container's health check looks at."""

import os
from collections.abc import Callable
from pathlib import Path

from service.cli.local import LocalStack
from tests.until import until

_LONG_AGO = 0


def test_a_worker_beats_while_it_has_a_broker_and_again_once_it_is_back(
    own_platform: Callable[..., LocalStack], tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    stack = own_platform(settings={"heartbeat_file": str(file)})
    stack.start_worker()
    until(file.exists, within=30)

    stack.valkey.kill()
    until(lambda: "Cannot connect" in stack.processes.log("worker").read_text(), within=30)
    os.utime(file, (_LONG_AGO, _LONG_AGO))
    stack.valkey.start()
    until(lambda: file.stat().st_mtime > _LONG_AGO, within=40)

    # The beat belongs to the connection that is there now, so it goes on.
    os.utime(file, (_LONG_AGO, _LONG_AGO))
    until(lambda: file.stat().st_mtime > _LONG_AGO, within=30)
    assert stack.processes.ended() == []


def test_a_dispatcher_beats_although_its_broker_is_away(
    own_platform: Callable[..., LocalStack], tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    stack = own_platform(settings={"heartbeat_file": str(file)})
    stack.valkey.kill()
    stack.start_dispatcher()
    until(file.exists, within=30)
    os.utime(file, (_LONG_AGO, _LONG_AGO))
    until(lambda: file.stat().st_mtime > _LONG_AGO, within=30)
