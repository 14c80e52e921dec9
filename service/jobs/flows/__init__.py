"""Jobs on their way: before the provider, to it, there, and after their end; and what is tidied up."""

from service.jobs.flows.collecting import collect
from service.jobs.flows.expiry import expire, sweep_orphans, wake_erased
from service.jobs.flows.following import follow
from service.jobs.flows.janitor import sweep_jobs
from service.jobs.flows.preparing import prepare
from service.jobs.flows.submission import submit
from service.jobs.flows.sweeping import sweep_reservations

__all__ = [
    "collect", "expire", "follow", "prepare", "submit", "sweep_jobs", "sweep_orphans", "sweep_reservations",
    "wake_erased",
]  # fmt: skip
