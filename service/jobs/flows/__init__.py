"""Jobs across the network: bringing them to the provider (`submit`) and following them there (`follow`)."""

from service.jobs.flows.following import follow
from service.jobs.flows.submission import submit

__all__ = ["follow", "submit"]
