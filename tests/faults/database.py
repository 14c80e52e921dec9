"""Postgres dies, stands still, is cut off, full, refusing: what was acknowledged stays, and nothing happens twice."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx2
import psutil
import psycopg

from tests.faults.clients import Submitter
from tests.faults.matrix import Draw, fault
from tests.faults.site import Site, lasting
from tests.until import until

_REFUSED_SECONDS = 6.0
_READY_SECONDS = 10.0


@dataclass
class Crowd:
    """Clients that submit, one job after the other, until told to stop; whatever is unknown they ask again."""

    client: Submitter
    jobs: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def submit(self) -> None:
        while not self._stop.wait(0.05):
            self.jobs.append(self.client.accepted())

    @contextmanager
    def submitting(self, clients: int = 4) -> Iterator[None]:
        with ThreadPoolExecutor(clients) as threads:
            running = [threads.submit(self.submit) for _ in range(clients)]
            try:
                yield
            finally:
                self._stop.set()
        for one in running:
            one.result()


@fault(
    13,
    "Postgres is killed",
    injection="kill -9 of all its processes three times, under clients that submit, then a restart",
    expected="what was acknowledged is there; what nobody knows is settled by its key; up again within 10 s",
    seeds=2,
)
def killed(site: Site, draw: Draw) -> str:
    crowd, slowest = Crowd(site.submitter()), 0.0
    with crowd.submitting():
        for _ in range(3):
            lasting(draw.uniform(0.3, 1.5))
            site.watch(crowd.client, *crowd.jobs[-2:])
            site.postgres.kill()
            lasting(draw.uniform(0, 1))
            site.postgres.start()
            began = time.monotonic()
            until(lambda: _database(site) == "up", within=30, what="the API to have its database again")
            slowest = max(slowest, time.monotonic() - began)
    assert slowest <= _READY_SECONDS, f"ready again after {slowest:.1f} s"
    return f"{len(crowd.jobs)} jobs, ready again within {slowest:.1f} s"


@fault(
    14,
    "Postgres stands still",
    injection="SIGSTOP of all its processes for 10 s",
    expected="writes are refused with 503 and Retry-After within 6 s; a model resolves all the while",
    seeds=2,
)
def stands_still(site: Site, draw: Draw) -> str:
    client = site.submitter()
    served = _served_model(client)
    client.many(draw.randint(2, 6))
    slowest, resolved, end = 0.0, 0, time.monotonic() + 10
    postmaster = psutil.Process(site.postgres.pid)
    with site.asleep([postmaster, *postmaster.children(recursive=True)]):
        while time.monotonic() < end:
            began = time.monotonic()
            refused = client.submit()
            slowest = max(slowest, time.monotonic() - began)
            assert refused is not None
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True), refused.text
            answer = client.team.resolver.get("/v1/models/lighthouse/resolve")
            assert (answer.status_code, answer.json()["model"]) == (200, served), answer.text
            resolved += 1
            lasting(0.2)
    assert slowest <= _REFUSED_SECONDS, f"refused after {slowest:.1f} s"
    until(lambda: _database(site) == "up", within=_READY_SECONDS, what="the API to have its database again")
    return f"refused within {slowest:.1f} s, resolved {resolved} times"


@fault(
    15,
    "the connection is cut at COMMIT",
    injection="a proxy that passes COMMIT on and loses its answer, at every kind of transaction",
    expected="what is ambiguous is read again, never repeated blindly: money and keys are right",
    seeds=3,
    proxied=True,
)
def cut_at_commit(site: Site, draw: Draw) -> str:
    crowd, proxy, cuts = Crowd(site.submitter()), site.database_proxy, site.database_proxy.cuts
    with crowd.submitting():
        for _ in range(8):
            site.watch(crowd.client, *crowd.jobs[-1:])
            proxy.cut_on, proxy.cuts_left = re.compile(rb"COMMIT"), draw.randint(1, 4)
            lasting(draw.uniform(0.2, 1.2))
    proxy.heal()
    return f"{len(crowd.jobs)} jobs, {proxy.cuts - cuts} commits whose answer was lost"


@fault(
    16,
    "connections are exhausted",
    injection="somebody else takes every connection Postgres has, for 6 s",
    expected="503 or an answer, in time; workers come back later; no connection is leaked",
    seeds=2,
)
def exhausted(site: Site, draw: Draw) -> str:
    client = site.submitter()
    client.many(draw.randint(2, 6))
    before, slowest, statuses = _connections(site), 0.0, set()
    with ExitStack() as taken:
        count = _take_all(site, taken)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            began = time.monotonic()
            answer = client.submit()
            statuses.add(answer.status_code if answer is not None else None)
            slowest = max(slowest, time.monotonic() - began)
            lasting(0.1)
    assert statuses <= {202, 503}, statuses
    assert slowest <= _REFUSED_SECONDS
    site.settle()
    until(lambda: _connections(site) <= before + 25, within=30, what=f"connections to be {before} again, or a few more")
    return f"{count} connections taken, answers {sorted(map(str, statuses))} within {slowest:.1f} s"


@fault(
    17,
    "deadlocks and serialization failures",
    injection="a trigger on jobs that raises 40001 or 40P01 for one change in eight",
    expected="a bounded number of tries, the same result",
    seeds=2,
)
def refused_by_chance(site: Site, draw: Draw) -> str:
    crowd = Crowd(site.submitter())
    site.sql(_CHANCE.replace("SEED", str(draw.random())))
    try:
        with crowd.submitting():
            lasting(6)
    finally:
        site.sql("DROP TRIGGER by_chance ON jobs")
    site.settle()
    return f"{len(crowd.jobs)} jobs"


_CHANCE = """
CREATE OR REPLACE FUNCTION by_chance() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF random() < 0.0625 THEN RAISE EXCEPTION 'by chance' USING ERRCODE = '40001'; END IF;
  IF random() < 0.0625 THEN RAISE EXCEPTION 'by chance' USING ERRCODE = '40P01'; END IF;
  RETURN NEW;
END $$;
SELECT setseed(SEED);
CREATE TRIGGER by_chance BEFORE INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION by_chance();
"""


@fault(
    18,
    "a migration holds its lock for long",
    injection="LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE for 6 s, under load",
    expected="requests are refused in time instead of piling up; everything goes on afterwards",
    seeds=2,
)
def long_lock(site: Site, draw: Draw) -> str:
    client = site.submitter()
    client.many(draw.randint(2, 6))
    slowest, statuses = 0.0, set()
    with psycopg.connect(site.superuser_url) as migration:
        migration.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        end = time.monotonic() + 6
        with ThreadPoolExecutor(6) as threads:
            while time.monotonic() < end:
                began = time.monotonic()
                for answer in threads.map(lambda _: client.submit(), range(6)):
                    statuses.add(answer.status_code if answer is not None else None)
                slowest = max(slowest, time.monotonic() - began)
    assert statuses == {503}, statuses
    assert slowest <= _REFUSED_SECONDS, f"refused after {slowest:.1f} s"
    return f"refused within {slowest:.1f} s"


def _database(site: Site) -> str:
    """What the API says of its database."""
    return str(httpx2.get(f"{site.stack.api_url}/readyz", timeout=10).json()["database"])


def _served_model(client: Submitter) -> str:
    """The provider's id of a model that production means."""
    job = client.accepted(register={"name": "lighthouse"})
    done = client.team.job_in(job, "succeeded", within=60)
    until(lambda: client.team.member.put(
        "/v1/models/lighthouse/aliases/production", {"version": 1}
    ).is_success, within=30, what="the model to be ready")  # fmt: skip
    until(lambda: client.team.resolver.get("/v1/models/lighthouse/resolve").is_success, within=15)
    return str(done["fine_tuned_model"])


def _take_all(site: Site, taken: ExitStack) -> int:
    """Every connection that is left to such a login."""
    url = site.superuser_url.replace("//postgres@", "//tp_app@")
    for count in range(1000):
        try:
            taken.enter_context(psycopg.connect(url))
        except psycopg.OperationalError:
            return count
    raise AssertionError("Postgres has too many connections to take")


def _connections(site: Site) -> int:
    ((count,),) = site.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    return int(count)
