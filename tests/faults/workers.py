"""Workers that die, sleep, are overtaken, and are replaced."""

import time

import psutil

from tests.faults.matrix import Draw, fault
from tests.faults.points import POINTS
from tests.faults.rounds import Round, cases
from tests.faults.site import LIST_LAG_SECONDS, Site, key_of, lasting
from tests.launcher import order
from tests.until import until

POINTS_SITE = {"start": {"concurrency": 8}, "speed": 400, "settings": {"circuit_failures": "1000"}}
_ACCOUNTS = 4
_LONG_LAG_SECONDS = 600
_PASSED_BY_EVERY_JOB = (
    ("submission.claim", "after"),
    ("submission.reread", "before"),
    ("submission.intent", "before"),
    ("submission.intent", "after"),
    ("gateway.create_job", "after"),
    ("submission.record", "commit"),
    ("submission.record", "after"),
)


@fault(
    2,
    "worker dies or sleeps at P1–P14",
    injection="SIGKILL and SIGSTOP at each point, at a job of its own, with each fault of its creation and a list that "
    "lags; and with every seed kill -9 of the whole tree, whoever is asleep in it",
    expected="one job at the provider for each of ours; all end; the bill is the ledger",
    seeds=20,
    together=True,
    **POINTS_SITE,
)
def points(site: Site, draw: Draw) -> str:
    site.emulator.set(list_lag_seconds=LIST_LAG_SECONDS)
    clients = [site.submitter(own_account=True, topic=f"tide {n}") for n in range(_ACCOUNTS)]
    played = Round(site, clients, at_once=24, tree_kill_every=2 * len(POINTS))
    played.play(cases(site, draw.seeds))
    site.emulator.set(list_lag_seconds=0)
    assert not played.missed, f"never struck: {', '.join(map(str, played.missed))}"
    least = min(played.struck.values())
    return (
        f"{sum(played.struck.values())} jobs struck, each of {len(played.struck)} points at least {least} times, "
        f"{played.tree_kills} whole trees killed; the slowest job took {max(played.seconds):.1f} s"
    )


@fault(
    1,
    "worker child is killed in the middle of a step",
    injection="kill -9 of a pool process at a step drawn by the seed, beside other jobs",
    expected="the step is taken up again within lease + 5 s",
    seeds=3,
)
def child_dies(site: Site, draw: Draw) -> str:
    client, slowest = site.submitter(), 0.0
    for _ in range(4):
        with site.asleep(site.processes_of("dispatcher")):
            job = client.accepted()
            struck = order(site.strikes, *draw.choice(_PASSED_BY_EVERY_JOB), "KILL", job=key_of(job))
        client.many(3)
        until(struck.exists, within=30, what="the strike")
        slowest = max(slowest, _until_claimed_again(site, job))
    lease = float(site.settings["lease_seconds"])
    assert slowest <= lease + 5, f"taken up again after {slowest:.1f} s"
    return f"taken up again within {slowest:.1f} s, the lease is {lease:.0f} s"


def _until_claimed_again(site: Site, job: str) -> float:
    began, fence = time.monotonic(), site.rows([job])[job].fence
    until(lambda: site.rows([job])[job].fence > fence, within=30, what="the job to be claimed again")
    return time.monotonic() - began


@fault(
    3,
    "worker sleeps past its lease",
    injection="SIGSTOP of a whole worker for three leases while another works, then SIGCONT",
    expected="what the sleeper then writes is refused by the fence; nothing is sent twice",
    seeds=3,
    start={"workers": 2},
)
def sleeps_past_its_lease(site: Site, draw: Draw) -> str:
    client, jobs = site.submitter(), []
    for name in draw.sample(site.workers, 2):
        jobs += client.many(8)
        site.watch(client, *jobs[-2:])
        with site.asleep(site.processes_of(name)):
            jobs += client.many(6)
            lasting(3 * float(site.settings["lease_seconds"]))
    site.settle()
    stale = sum(site.stack.processes.log(name).read_text().count("work.stale") for name in site.workers)
    return f"{len(jobs)} jobs; stale claims refused so far: {stale}"


@fault(
    4,
    "rolling deploy",
    injection="SIGTERM to one of two workers after the other, each replaced, six times under load",
    expected="each ends by itself within 30 s; no job needs a third try",
    seeds=2,
    start={"workers": 2},
)
def rolling_deploy(site: Site, draw: Draw) -> str:
    client, jobs, slowest, attempts = site.submitter(), [], 0.0, 0
    for number in range(6):
        jobs += client.many(draw.randint(4, 8))
        name = site.workers[number % 2]
        began = time.monotonic()
        worker = psutil.Process(site.stack.processes.pid(name))
        worker.terminate()
        worker.wait(30)
        slowest = max(slowest, time.monotonic() - began)
        site.stack.processes.kill(name)
        site.start_worker(name)
        attempts = max(attempts, _most_attempts_until_ended(site, jobs[-4:]))
    site.settle()
    assert attempts <= 3, f"a job was tried {attempts} times"
    return f"{len(jobs)} jobs, the slowest worker ended after {slowest:.1f} s, at most {attempts} tries"


def _most_attempts_until_ended(site: Site, jobs: list[str]) -> int:
    most = 0

    def ended() -> bool:
        nonlocal most
        rows = site.rows(jobs).values()
        most = max(most, *(row.attempts for row in rows))
        return all(row.is_over for row in rows)

    until(ended, within=60, what="the newest jobs to end")
    return most


@fault(
    "beyond-quiet",
    "P1–P14, and the list shows a job later than the quiet period",
    injection="as fault 2, without the tree kills, with a list that shows nothing new until all is over",
    expected="the second jobs are cancelled in the janitor's next round, and told",
    seeds=5,
    together=True,
    speed=0,
    start={"concurrency": 8},
    settings={"quiet_seconds": "1", "circuit_failures": "1000"},
    check=("--beyond-quiet",),
)
def beyond_quiet(site: Site, draw: Draw) -> str:
    site.emulator.set(list_lag_seconds=_LONG_LAG_SECONDS)
    clients = [site.submitter(own_account=True, topic=f"tide {n}") for n in range(_ACCOUNTS)]
    played = Round(site, clients, at_once=24, until_created=True)
    played.play([case for case in cases(site, draw.seeds) if case.point not in ("seen", "written")])
    assert not played.missed, f"never struck: {', '.join(map(str, played.missed))}"
    jobs = [case.job for case in played.ended]
    second = _created(site, jobs) - len(jobs)
    assert second > 0, "no job was made twice: the lag was not beyond the quiet period"
    site.emulator.set(list_lag_seconds=0)
    began = time.monotonic()
    site.make_due("jobs.janitor")
    until(lambda: _created(site, jobs, live=True) == len(jobs), within=120, what="the second ones to be cancelled")
    took = time.monotonic() - began
    site.emulator.http.post("/_emulator/clock", json={"speed": 400})
    return f"{len(jobs)} jobs struck, {second} made twice, those cancelled within {took:.1f} s by one round"


def _created(site: Site, jobs: list[str], *, live: bool = False) -> int:
    return sum(not (live and one["status"] == "cancelled") for one in site.emulator.jobs_of(*jobs))
