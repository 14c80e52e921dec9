"""`?wait`: an answer when there is something to tell, from a process that serves others meanwhile."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psutil
import psycopg

from service.datasets import flows as dataset_flows
from service.kit import ids
from tests.api.watching import Quiet, Watched
from tests.stack import Client
from tests.tenancy.world import admin_url
from tests.until import until


def timed(call: Callable[[], httpx2.Response]) -> tuple[float, Any]:
    """Seconds it took, and the body."""
    started = time.monotonic()
    answer = call()
    assert answer.status_code == 200, answer.text
    return time.monotonic() - started, answer.json()


def test_the_answer_comes_when_the_state_changes(watched: Watched) -> None:
    path = f"/v1/jobs/{watched.job}?wait=30"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(timed, lambda: watched.client.get(path))
        watched.say("an event alone", "is no change of state")
        took, job = timed(lambda: watched.client.get(f"/v1/jobs/{watched.job}?wait=1"))
        assert (0.9 < took < 2, job["state"], job["events"]) == (True, "queued", 3)
        assert not waiting.done()
        watched.cancel()
        cancelled_at = time.monotonic()
        assert waiting.result()[1] == watched.client.get(f"/v1/jobs/{watched.job}").json()
        assert waiting.result()[1]["state"] == "cancelled"
        assert time.monotonic() - cancelled_at < 0.9  # by notification: the poll comes once a second
    assert timed(lambda: watched.client.get(path))[0] < 1  # it will not change again


def test_nobody_waits_for_what_is_not_there(quiet: Quiet, watched: Watched) -> None:
    stranger = quiet.watched()
    for path in (f"/v1/jobs/{watched.job}", f"/v1/datasets/{watched.dataset}", "/v1/jobs/nonsense", "/v1/datasets/x"):
        started = time.monotonic()
        assert stranger.client.get(f"{path}?wait=30").status_code == 404
        assert time.monotonic() - started < 2
    for seconds in ("56", "-1", "long"):
        refused = watched.client.get(f"/v1/jobs/{watched.job}?wait={seconds}")
        assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "wait")
    assert watched.team.resolver.get(f"/v1/jobs/{watched.job}?wait=30").json()["code"] == "scope_missing"


def test_more_wait_than_there_are_threads_and_others_are_served_meanwhile(quiet: Quiet, watched: Watched) -> None:
    waiters = 60  # threads and pooled connections: 8
    api = psutil.Process(quiet.stack.processes.pid("api"))
    path = f"/v1/jobs/{watched.job}"
    with ThreadPoolExecutor(waiters) as pool, psycopg.connect(admin_url(quiet.stack), autocommit=True) as connection:
        clients = [Client(quiet.stack.api_url, watched.client.key) for _ in range(waiters)]
        waiting = [pool.submit(timed, lambda client=client: client.get(f"{path}?wait=30")) for client in clients]  # type: ignore[misc]
        until(lambda: len(api.net_connections()) > waiters, what="all to be connected")
        until(lambda: units_under_way(connection) == 0, what="all to wait")
        for _ in range(5):
            took, _ = timed(lambda: watched.client.get(path))
            assert took < 1
        assert api.num_threads() < waiters
        assert not any(one.done() for one in waiting)
        watched.cancel()
        cancelled_at = time.monotonic()
        assert {one.result()[1]["state"] for one in waiting} == {"cancelled"}
        assert time.monotonic() - cancelled_at < 3


def units_under_way(connection: psycopg.Connection[Any]) -> int:
    """Connections to this database, but ours, that do something or hold a transaction open."""
    found = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'"
    ).fetchone()
    assert found
    return int(found[0])


def test_the_answer_comes_when_a_dataset_is_checked(watched: Watched) -> None:
    for topic, content, verdict in (("good", None, "ready"), ("bad", b"{}\n", "invalid")):
        dataset = watched.post_dataset(topic, content)
        took, shown = timed(lambda dataset=dataset: watched.client.get(f"/v1/datasets/{dataset}?wait=1"))  # type: ignore[misc]
        assert (0.9 < took < 2, shown["state"]) == (True, "received")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(timed, lambda dataset=dataset: watched.client.get(f"/v1/datasets/{dataset}?wait=30"))  # type: ignore[misc]
            watched.validate(dataset)
            checked_at = time.monotonic()
            assert waiting.result()[1]["state"] == verdict
            assert time.monotonic() - checked_at < 0.9
        assert timed(lambda dataset=dataset: watched.client.get(f"/v1/datasets/{dataset}?wait=30"))[0] < 1  # type: ignore[misc]


def test_the_answer_comes_when_a_file_to_prepare_is_read(watched: Watched) -> None:
    table = watched.post_dataset("table", b"text,label\n" + b"".join(b"is it %d,no %d\n" % (n, n) for n in range(30)))
    asked = watched.client.post(f"/v1/datasets/{table}/prepare", {})
    path = asked.headers["location"]
    assert (asked.status_code, timed(lambda: watched.client.get(f"{path}?wait=1"))[1]["state"]) == (202, "reading")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(timed, lambda: watched.client.get(f"{path}?wait=30"))
        dataset_flows.prepare([ids.read("prep", asked.json()["id"])])
        read_at = time.monotonic()
        assert waiting.result()[1]["state"] == "ready"
        assert time.monotonic() - read_at < 0.9
    made = watched.client.post(f"{path}/apply", {"accept": []})
    assert (made.status_code, made.headers["location"]) == (202, f"/v1/datasets/{made.json()['id']}")
    assert made.json()["recipe"]["columns"] == {"prompt": 1, "completion": 2}
