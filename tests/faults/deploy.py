"""Clocks that are wrong, dispatchers in pairs, releases of two ages side by side."""

from service.jobs import FOLLOW, SUBMIT
from service.kit import queue
from tests.faults.matrix import Draw, fault
from tests.faults.site import Site, lasting, uuid_of
from tests.until import until

_SHIFT_SECONDS = 600


@fault(
    28,
    "worker clocks ten minutes off",
    injection="one worker's clock ten minutes ahead, another's ten minutes behind",
    expected="leases hold, for they live on the database's clock; all jobs end",
    seeds=2,
    start={"workers": 2},
)
def clocks_off(site: Site, draw: Draw) -> str:
    client = site.submitter()
    shifts = dict(zip(site.workers, draw.sample([_SHIFT_SECONDS, -_SHIFT_SECONDS], 2), strict=True))
    for name, seconds in shifts.items():
        site.stack.processes.kill(name)
        site.start_worker(name, clock_shift_seconds=seconds)
    jobs = client.many(12)
    with site.asleep(site.processes_of(draw.choice(site.workers))):
        jobs += client.many(4)
        lasting(2 * float(site.settings["lease_seconds"]))
    site.settle()
    for name in site.workers:
        site.restart_worker(name)
    return f"{len(jobs)} jobs"


@fault(
    29,
    "two dispatchers, one of them asleep",
    injection="SIGSTOP of either for 5 s, in turn",
    expected="nothing happens twice, nothing waits",
    seeds=2,
    start={"workers": 2},
)
def two_dispatchers(site: Site, draw: Draw) -> str:
    client = site.submitter()
    jobs: list[str] = []
    site.stack.start_dispatcher("second")
    for name in draw.sample(["dispatcher", "second"], 2):
        with site.asleep(site.processes_of(name)):
            fresh = client.many(6)
            _until_taken_up(site, fresh)
            lasting(5)
        jobs += fresh + client.many(4)
    site.settle()
    site.stack.processes.stop("second")
    return f"{len(jobs)} jobs"


def _until_taken_up(site: Site, jobs: list[str]) -> None:
    until(lambda: all(row.fence for row in site.rows(jobs).values()), within=15, what="new jobs to be taken up")


@fault(
    31,
    "two releases side by side",
    injection="this release's workers meet what a later one would bring: new columns and a new table, messages with "
    "further arguments, messages of a kind they do not know",
    expected="they go on; what they do not understand they leave to those who do",
    seeds=1,
    start={"workers": 2},
)
def two_releases(site: Site, draw: Draw) -> str:
    client = site.submitter()
    jobs = client.many(draw.randint(4, 8))
    for statement in _EXPAND:
        site.sql(statement)
    producer = queue.producer()
    jobs += client.many(6)
    for job in jobs:
        shown = [str(uuid_of(job))]
        for kind in (SUBMIT, FOLLOW):
            producer.send_task(kind.name, args=[shown, "later"], kwargs={"hurry": True}, queue=kind.queue, retry=False)
            producer.send_task("jobs.of_a_later_release", args=[shown], queue=kind.queue, retry=False)
    site.settle()
    assert site.stack.processes.ended() == [], "a worker died of a message it did not know"
    ((told,),) = site.sql("SELECT count(*) FROM jobs WHERE later = 'not yet'")
    assert told >= len(jobs)
    for statement in _CONTRACT:
        site.sql(statement)
    return f"{len(jobs)} jobs, {4 * len(jobs)} messages from another release"


_EXPAND = (
    "ALTER TABLE jobs ADD COLUMN later text NOT NULL DEFAULT 'not yet', ADD COLUMN later_still jsonb",
    "CREATE TABLE of_a_later_release (job_id uuid PRIMARY KEY REFERENCES jobs (id))",
)
_CONTRACT = ("DROP TABLE of_a_later_release", "ALTER TABLE jobs DROP COLUMN later, DROP COLUMN later_still")
