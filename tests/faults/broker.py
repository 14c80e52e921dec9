"""The broker dies, forgets, sleeps, is full, is slow: slower, never stopped, and nobody at the API notices."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from redis import Redis

from service.jobs import FOLLOW, SUBMIT
from service.kit import queue
from tests.faults.clients import Submitter
from tests.faults.matrix import Draw, fault
from tests.faults.site import Site, lasting, uuid_of
from tests.until import until

_READS = ("/v1/jobs", "/v1/me", "/v1/costs", "/v1/models")
_ANSWER_SECONDS = 1.5
_THROUGHPUT_BACK_SECONDS = 15.0
_STALL_SECONDS = 60.0


@fault(
    7,
    "hints doubled and out of order",
    injection="each job hinted at ten times over, for submission and for following, in an order drawn by the seed",
    expected="one effect",
    seeds=3,
)
def doubled_hints(site: Site, draw: Draw) -> str:
    jobs = site.submitter().many(8)
    hints = [(kind, job) for kind in (SUBMIT, FOLLOW) for job in jobs] * 10
    for _ in range(4):
        draw.shuffle(hints)
        for kind, job in hints:
            queue.hint(kind, [uuid_of(job)])
    site.settle()
    return f"{len(jobs)} jobs, {4 * len(hints)} hints"


@fault(
    8,
    "broker killed and restarted",
    injection="kill -9 of the broker five times under load",
    expected="workers recover by themselves or are restarted; new work moves again within 15 s",
    seeds=2,
)
def killed(site: Site, draw: Draw) -> str:
    client, slowest = site.submitter(), 0.0
    for _ in range(5):
        site.watch(client, *client.many(draw.randint(2, 6))[:1])
        site.valkey.kill()
        lasting(draw.uniform(0, 1.5))
        site.valkey.start()
        slowest = max(slowest, _until_moving(site, client))
    assert site.stack.processes.ended() == [], "a process did not survive the broker"
    assert slowest <= _THROUGHPUT_BACK_SECONDS
    return f"new work moved within {slowest:.1f} s"


@fault(
    9,
    "broker forgets everything",
    injection="FLUSHALL again and again under load",
    expected="all jobs end: rows are hinted at again",
    seeds=3,
)
def flushed(site: Site, draw: Draw) -> str:
    client, jobs = site.submitter(), []
    for _ in range(12):
        jobs += client.many(2)
        site.valkey.flush()
        lasting(draw.uniform(0, 0.3))
    site.settle()
    return f"{len(jobs)} jobs, flushed 12 times"


@fault(
    10,
    "broker stands still",
    injection="SIGSTOP of the broker for 10 s",
    expected="the API answers within 1.5 s; dispatchers run the steps themselves, jobs end before it wakes",
    seeds=2,
)
def stands_still(site: Site, draw: Draw) -> str:
    client = site.submitter()
    client.many(draw.randint(2, 6))
    with site.asleep([psutil.Process(site.valkey.pid)]):
        figures = _as_if_nothing_were(site, client, seconds=10)
    _until_moving(site, client)
    return figures


@fault(
    11,
    "broker full, then read-only",
    injection="CONFIG SET maxmemory 1, then REPLICAOF a host that is not there",
    expected="as with one that stands still; afterwards workers take work again",
    seeds=2,
)
def full_and_read_only(site: Site, draw: Draw) -> str:
    client, told = site.submitter(), []
    client.many(draw.randint(2, 6))
    with _administered(site) as broker:
        broker.config_set("maxmemory", 1)
        told.append(f"full: {_as_if_nothing_were(site, client, seconds=5)}")
        broker.config_set("maxmemory", 0)
        _until_moving(site, client)
        broker.replicaof("127.0.0.1", "1")
        told.append(f"read-only: {_as_if_nothing_were(site, client, seconds=5)}")
        broker.replicaof("NO", "ONE")
    back = _until_moving(site, client)
    return f"{'; '.join(told)}; back after {back:.1f} s"


@fault(
    12,
    "broker slow or half-open",
    injection="a proxy: 3 s latency, cut after some bytes, silence",
    expected="as with one that stands still; a stalled consumer is found out within 60 s",
    seeds=2,
    proxied=True,
)
def slow_or_half_open(site: Site, draw: Draw) -> str:
    client, proxy, told = site.submitter(), site.broker_proxy, []
    client.many(draw.randint(2, 6))
    proxy.latency_seconds = 3
    told.append(f"slow: {_as_if_nothing_were(site, client, seconds=6)}")
    proxy.heal()
    proxy.cut_after_bytes = draw.randint(20, 400)
    proxy.reset()
    told.append(f"cut: {_as_if_nothing_were(site, client, seconds=6)}")
    proxy.heal()
    _until_moving(site, client, within=_STALL_SECONDS)
    proxy.is_silent = True
    told.append(f"silent: {_as_if_nothing_were(site, client, seconds=8)}")
    proxy.heal()
    back = _until_moving(site, client, within=_STALL_SECONDS)
    return f"{'; '.join(told)}; back after {back:.1f} s"


def _as_if_nothing_were(site: Site, client: Submitter, *, seconds: float) -> str:
    """Submit, read, and see the jobs end, all while the broker is away; tells the slowest answer."""
    times, end = [], time.monotonic() + seconds
    jobs = [client.accepted()]
    while time.monotonic() < end:
        for path in _READS:
            began = time.monotonic()
            assert client.team.member.get(path).is_success, path
            times.append(time.monotonic() - began)
        began = time.monotonic()
        if len(jobs) < 6:
            jobs.append(client.accepted())
            times.append(time.monotonic() - began)
    slowest = sorted(times)[int(len(times) * 0.99) - 1]
    assert slowest < _ANSWER_SECONDS, f"an answer took {slowest:.2f} s"
    until(lambda: all(row.has_ended for row in site.rows(jobs).values()), within=45, what="jobs to end without it")
    return f"{len(jobs)} jobs ended, answers p99 {slowest * 1000:.0f} ms"


def _until_moving(site: Site, client: Submitter, *, within: float = 45) -> float:
    """Seconds until a new job is taken up, by a worker."""
    job, began = client.accepted(), time.monotonic()
    until(lambda: site.rows([job])[job].fence > 0, within=within, what="a new job to be taken up")
    return time.monotonic() - began


@contextmanager
def _administered(site: Site) -> Iterator[Redis]:
    """The broker's own commands; whatever happens, it is itself again afterwards."""
    with Redis(unix_socket_path=str(site.valkey.socket), socket_timeout=10) as broker:
        try:
            yield broker
        finally:
            broker.config_set("maxmemory", 0)
            broker.replicaof("NO", "ONE")
