"""Jobs across the network: to the provider (`submit`), there (`follow`), and what is tidied up afterwards."""

from service.jobs.flows.expiry import expire, sweep_orphans
from service.jobs.flows.following import follow
from service.jobs.flows.janitor import sweep_jobs
from service.jobs.flows.submission import submit

__all__ = ["expire", "follow", "submit", "sweep_jobs", "sweep_orphans"]
