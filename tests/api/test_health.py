import signal
import time
from collections.abc import Callable

import httpx2
import psutil
import pytest
from fastapi.testclient import TestClient

from service.api.app import create_api
from service.cli.local import LocalStack
from tests.stack import Platform
from tests.until import until


def test_a_process_that_has_loaded_the_registry_is_ready(platform: Platform) -> None:
    answered = httpx2.get(f"{platform.stack.api_url}/readyz")
    assert answered.status_code == 200
    body = answered.json()
    assert (body["status"], body["database"], body["registry"]["is_stale"]) == ("ready", "up", False)
    assert body["registry"]["current_at"].endswith("Z")


@pytest.mark.usefixtures("database")
def test_until_then_it_is_loading_but_alive() -> None:
    client = TestClient(create_api())  # its lifespan is not entered, so nothing loads
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "loading")
    assert ready.json()["registry"] == {"current_at": None, "is_stale": False}
    assert client.get("/livez").json() == {"status": "alive"}


@pytest.mark.usefixtures("database")
def test_a_draining_process_is_not_ready() -> None:
    api = create_api()
    with TestClient(api) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        api.state.draining.begin()
        assert (client.get("/readyz").status_code, client.get("/readyz").json()["status"]) == (503, "draining")


def test_on_sigterm_it_drains_before_it_ends(own_platform: Callable[..., LocalStack]) -> None:
    stack = own_platform(settings={"drain_seconds": "2"})
    stack.start_api()
    ready = f"{stack.api_url}/readyz"
    process = psutil.Process(stack.processes.pid("api"))
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    until(lambda: httpx2.get(ready).json()["status"] == "draining", within=1.5)
    assert httpx2.get(f"{stack.api_url}/livez").headers["connection"] == "close"
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, within=8)
    assert 1.5 < time.monotonic() - started < 8
