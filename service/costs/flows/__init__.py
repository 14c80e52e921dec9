"""What providers tell of usage and costs, fetched and taken in: entered by workers' ticks."""

from service.costs.flows.reconciliation import reconcile
from service.costs.flows.usage import read_usage

__all__ = ["read_usage", "reconcile"]
