"""The provider refuses, fails, hangs, lies, forgets: jobs wait, nobody is blamed for it, nothing is paid twice."""

import time
from decimal import Decimal
from typing import Any

from tests.faults.clients import Submitter
from tests.faults.matrix import Draw, fault
from tests.faults.points import CREATION_FAULTS
from tests.faults.site import CREATE, LIST_LAG_SECONDS, Site, lasting
from tests.until import until

_GET_JOB = {"method": "GET", "path": "^/v1/fine_tuning/jobs/[^/]+$"}
_EVENTS = {"method": "GET", "path": "^/v1/fine_tuning/jobs/[^/]+/events$"}
_LIST = {"method": "GET", "path": "^/v1/fine_tuning/jobs$"}
_STORM: list[dict[str, Any]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "retry_after": 1},
    {"kind": "create_then_500"},
]


@fault(
    20,
    "429 with Retry-After 300",
    injection="one account's creations are all answered so",
    expected="that account waits, another's jobs go on, and it is not asked again and again",
    seeds=2,
)
def told_to_wait(site: Site, draw: Draw) -> str:
    told, other = site.submitter(own_account=True), site.submitter(own_account=True)
    asked = site.emulator.fault(
        kind="status", status=429, code="rate_limit_exceeded", retry_after=300, times=None,
        metadata={"account": "told"}, **CREATE,
    )  # fmt: skip
    waiting = told.many(4, metadata={"account": "told"})
    until(lambda: _hits(site, asked), within=30, what="the first refusal")
    free = other.many(draw.randint(4, 8))
    until(
        lambda: all(row.is_over for row in site.rows(free).values()), within=60, what="the other account's jobs to end"
    )
    lasting(3)
    times = _hits(site, asked)
    assert times <= len(waiting), f"asked {times} times for {len(waiting)} jobs"
    rows = site.rows(waiting).values()
    assert {row.state for row in rows} <= {"queued", "submitting"}, rows
    assert max(row.attempts for row in rows) <= 1, "waiting burned attempts"
    site.emulator.http.delete(f"/_emulator/faults/{asked}")
    _five_minutes_pass(site)
    return f"{len(free)} jobs of the other account ended, the one told to wait was asked {times} times"


@fault(
    21,
    "a storm of 500 and 503",
    injection="a third of all requests, with and without effect, for 12 s",
    expected="unknown creations are looked for, the circuit opens and closes, all jobs end",
    seeds=2,
)
def storm_of_errors(site: Site, draw: Draw) -> str:
    client, end = site.submitter(own_account=True), time.monotonic() + 12
    storm = [site.emulator.fault(probability=0.11, times=None, **one) for one in draw.sample(_STORM, len(_STORM))]
    jobs = client.many(8)
    while time.monotonic() < end:
        jobs.append(client.accepted())
        lasting(0.5)
    struck = sum(_hits(site, one) for one in storm)
    site.emulator.http.delete("/_emulator/faults")
    return f"{len(jobs)} jobs, {struck} requests struck"


@fault(
    22,
    "slow, or no answer at all",
    injection="creations, looks and lists that are never answered",
    expected="each call ends by its timeout, and the lease is not exceeded meanwhile",
    seeds=2,
)
def never_answers(site: Site, draw: Draw) -> str:
    client = site.submitter(own_account=True)
    timeout = float(site.settings["provider_timeout_seconds"])
    held = site.emulator.fault(kind=draw.choice(["hold", "hold_after"]), **CREATE)
    job = client.accepted()
    until(lambda: _held(site, held), within=30, what="the creation to be held")
    began, fence = time.monotonic(), site.rows([job])[job].fence
    until(lambda: site.rows([job])[job].fence > fence, within=30, what="the next claim")
    took = time.monotonic() - began
    assert took >= timeout - 0.5, f"overtaken after {took:.1f} s, within the call's {timeout:.0f} s"
    site.emulator.release(held)
    for place in (_GET_JOB, _LIST, _EVENTS):
        site.emulator.fault(kind="hold", times=2, **place)
    jobs = client.many(6)
    lasting(3 * timeout)
    site.emulator.http.delete("/_emulator/faults")
    return f"{len(jobs) + 1} jobs, overtaken {took:.1f} s after a call of at most {timeout:.0f} s began"


@fault(
    23,
    "created but told 500, created after the timeout, a list that lags",
    injection="each fault of creation three times, the list a second behind, nobody is killed",
    expected="never two jobs for one of ours",
    seeds=2,
)
def every_fault_of_creation(site: Site, draw: Draw) -> str:
    clients = [site.submitter(own_account=True, topic=f"foam {n}") for n in range(3)]
    site.emulator.set(list_lag_seconds=LIST_LAG_SECONDS)
    faults = [one for one in CREATION_FAULTS if one] * 3
    draw.shuffle(faults)
    for one in faults:
        site.spoil_creation(**one)
    jobs = [job for client in clients for job in client.many(len(faults) // 3 + 2)]
    site.settle(within=120)
    site.emulator.set(list_lag_seconds=0)
    return f"{len(jobs)} jobs, {len(faults)} creations spoiled"


@fault(
    24,
    "answers that make no sense",
    injection="cut off, no JSON, 4 MB of it, an unknown status, events doubled, reordered and renumbered",
    expected="kept verbatim or left alone; no job goes back, no money is booked on it",
    seeds=2,
    proxied=True,
    speed=20,
)
def nonsense(site: Site, draw: Draw) -> str:
    client, proxy = site.submitter(), site.provider_proxy
    site.emulator.set(duplicate_events=True, unstable_event_ids=True, has_more_always=draw.random() < 0.5)
    jobs = client.many(4)
    proxy.replaced = {b'"status":"running"': b'"status":"ru-ning"', b'"status": "running"': b'"status": "ru-ning"'}
    strange = "SELECT count(*) FROM jobs WHERE provider_status = 'ru-ning' AND state <> 'running'"
    until(lambda: site.sql(strange)[0][0], within=60, what="a status nobody knows")
    proxy.heal()
    for place in (_GET_JOB, _EVENTS, _LIST):
        site.emulator.fault(kind="garbage", status=200, times=3, **place)
        site.emulator.fault(kind="status", status=500, message="x" * 4_000_000, **place)
    jobs += client.many(4)
    proxy.cut_after_bytes = draw.randint(100, 900)
    proxy.reset()
    lasting(4)
    proxy.heal()
    site.settle(within=120)
    site.emulator.set(duplicate_events=False, unstable_event_ids=False, has_more_always=False)
    return f"{len(jobs)} jobs, {proxy.cuts} answers cut off"


@fault(
    25,
    "the provider's job vanishes",
    injection="404 for a job that was there, until it needs a person; other jobs beside it",
    expected="the job waits for a person with its money held; the others go on; an operator has it tried again",
    seeds=1,
    settings={"attempts_max": "4"},
    speed=10,
)
def vanishes(site: Site, _draw: Draw) -> str:
    client = site.submitter(own_account=True)
    job = client.accepted()
    until(lambda: site.rows([job])[job].provider_job_id, within=30, what="the job to be created")
    gone = site.rows([job])[job].provider_job_id
    vanished = site.emulator.fault(
        kind="status", status=404, code="fine_tune_not_found", times=None, path=f"/fine_tuning/jobs/{gone}"
    )
    until(lambda: site.rows([job])[job].attention, within=60, what="the job to wait for a person")
    why, held = site.rows([job])[job].attention, client.team.budget()["held"]
    assert Decimal(held) > 0, "its money was let go"
    site.emulator.http.post("/_emulator/clock", json={"speed": 200})
    others = site.submitter(own_account=True).many(3)
    site.settle()
    assert all(row.attention is None for row in site.rows(others).values())
    site.check()
    site.emulator.http.delete(f"/_emulator/faults/{vanished}")
    again = site.platform.operator.post(f"/v1/attention/{job}/retry")
    assert again.is_success, again.text
    return f"attention: {why}, {held} held; settled by an operator"


@fault(
    26,
    "the key is revoked",
    injection="the account's key is taken back while its jobs are under way, and given again 8 s later",
    expected="the account waits, no attempt is burned; afterwards its jobs go on",
    seeds=2,
    speed=20,
)
def revoked(site: Site, draw: Draw) -> str:
    client, other = site.submitter(own_account=True), site.submitter(own_account=True)
    jobs = client.many(draw.randint(3, 6))
    until(lambda: any(row.provider_job_id for row in site.rows(jobs).values()), within=30, what="a job to be there")
    key, project = _key_of(site, client)
    assert site.emulator.http.delete(f"/_emulator/keys/{key}").is_success
    jobs += client.many(2)
    free = other.many(2)
    lasting(8)
    attempts = max(row.attempts for row in site.rows(jobs).values())
    assert attempts <= 1, f"a refused key burned {attempts} attempts"
    assert all(row.attention is None for row in site.rows(jobs).values())
    until(lambda: all(row.provider_job_id for row in site.rows(free).values()), within=30, what="the others to go on")
    assert site.emulator.http.post("/_emulator/keys", json={"key": key, "project": project}).is_success
    return f"{len(jobs)} jobs waited 8 s, at most {attempts} attempts counted"


@fault(
    32,
    "the provider cannot be reached",
    injection="a proxy that refuses connections for 6 s, with jobs in every stage",
    expected="as soon as it is back everything goes on; no attempt is burned for looking",
    seeds=2,
    proxied=True,
    speed=20,
)
def unreachable(site: Site, draw: Draw) -> str:
    client, proxy = site.submitter(), site.provider_proxy
    jobs = client.many(draw.randint(4, 8))
    proxy.refuse()
    jobs += client.many(3)
    lasting(6)
    attempts = max(row.attempts for row in site.rows(jobs).values())
    proxy.accept()
    began = time.monotonic()
    until(lambda: all(row.provider_job_id for row in site.rows(jobs).values()), within=60, what="all to be created")
    return f"{len(jobs)} jobs, all there {time.monotonic() - began:.1f} s after it was back, at most {attempts} tries"


def _hits(site: Site, fault_id: str) -> int:
    return next(int(one["hits"]) for one in site.emulator.faults()["faults"] if one["id"] == fault_id)


def _held(site: Site, fault_id: str) -> int:
    return next(int(one["held"]) for one in site.emulator.faults()["faults"] if one["id"] == fault_id)


def _five_minutes_pass(site: Site) -> None:
    """For whoever waits for the provider: rows are aged, for no test is to wait that long."""
    site.sql("UPDATE circuits SET open_until = clock_timestamp() WHERE open_until IS NOT NULL")
    site.sql("UPDATE jobs SET due_at = now() WHERE due_at > now()")


def _key_of(site: Site, client: Submitter) -> tuple[str, str]:
    """The emulator's key and project of an account of a client's own; both carry its number."""
    ((name,),) = site.sql(
        "SELECT c.name FROM connections c JOIN teams t ON t.connection_id = c.id WHERE t.slug = %s", client.team.slug
    )
    number = name.removeprefix("own-")
    return f"sk-own-{number}", f"proj_{number}"
