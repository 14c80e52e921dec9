"""The API dies, or its client does, in the middle of a request: repeated under its key, it is one job."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.faults.matrix import Draw, fault
from tests.faults.site import Site
from tests.launcher import order
from tests.until import until

_PLACES = (
    ("idempotency.once", "before"),
    ("jobs.submit", "before"),
    ("jobs.submit", "after"),
    ("jobs.submit", "commit"),
)
_CLIENTS = 8


@fault(
    5,
    "the API is killed while it creates a job",
    injection="kill -9 before and after the work, and when COMMIT has left and is not answered; under eight clients",
    expected="each client repeats under its key and has one job, the same one",
    seeds=2,
)
def killed(site: Site, draw: Draw) -> str:
    client, unknown, jobs = site.submitter(), 0, 0
    for step, when in draw.sample(_PLACES, len(_PLACES)):
        keys = [uuid4().hex for _ in range(_CLIENTS)]
        struck = order(site.strikes, step, when, "KILL")
        with ThreadPoolExecutor(_CLIENTS) as threads:
            answers = list(threads.map(client.submit, keys))
            until(struck.exists, within=10, what=f"the API to be struck {when} {step}")
            struck.unlink()
            site.stack.processes.kill("api")
            site.start_api()
            unknown += sum(answer is None for answer in answers)
            jobs += len(set(threads.map(client.accepted, keys)))
    assert jobs == _CLIENTS * len(_PLACES)
    return f"{jobs} jobs, {unknown} requests left without an answer"


@fault(
    6,
    "the client gives up",
    injection="the connection is closed after 1 to 40 ms, whatever the API still does",
    expected="the job is there once or not at all; asked again, it is the same",
    seeds=5,
)
def client_gives_up(site: Site, draw: Draw) -> str:
    client = site.submitter()
    keys = [uuid4().hex for _ in range(20)]
    heard = sum(client.submit(key, patience_seconds=draw.uniform(0.001, 0.04)) is not None for key in keys)
    jobs = {client.accepted(key) for key in keys}
    assert len(jobs) == len(keys)
    return f"{len(keys)} requests, {heard} answered in time"
