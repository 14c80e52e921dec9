"""Two hundred jobs while workers and the broker are killed and the provider misbehaves at every creation."""

from tests.faults.matrix import Draw, fault
from tests.faults.points import CREATION_FAULTS
from tests.faults.site import LIST_LAG_SECONDS, Site
from tests.until import until

_JOBS = 200
_KILLS = ("worker",) * 10 + ("broker",) * 5


@fault(
    "storm",
    "everything at once",
    injection=f"{_JOBS} jobs, ten workers and five brokers killed, the broker's memory lost each time, each fault of "
    "creation four times, a list that lags",
    expected="every job ends once, and the bill is ours",
)
def storm(site: Site, draw: Draw) -> str:
    clients = [site.submitter(own_account=True, topic=f"gale {n}") for n in range(4)]
    site.emulator.set(list_lag_seconds=LIST_LAG_SECONDS)
    faults = [one for one in CREATION_FAULTS if one] * 4
    draw.shuffle(faults)
    for one in faults:
        site.spoil_creation(**one)
    jobs = [job for client in clients for job in client.many(_JOBS // len(clients))]
    site.watch(clients[-1], *draw.sample(jobs[-_JOBS // len(clients) :], 6))
    for number, what in enumerate(draw.sample(_KILLS, len(_KILLS)), start=1):
        _until_submitted(site, jobs, number * _JOBS // (len(_KILLS) + 2))
        if what == "worker":
            site.restart_worker()
        else:
            site.valkey.kill()
            site.valkey.start()
            site.valkey.flush()
    site.settle(within=300)
    site.emulator.set(list_lag_seconds=0)
    return f"{len(jobs)} jobs, {len(_KILLS)} kills, {len(faults)} creations spoiled"


def _until_submitted(site: Site, jobs: list[str], goal: int) -> None:
    """Kill by progress, not by the clock: each time a few more jobs have come on their way."""
    until(
        lambda: sum(row.provider_job_id is not None for row in site.rows(jobs).values()) >= goal,
        within=120, what=f"{goal} jobs at the provider",
    )  # fmt: skip
