"""Datasets across storage: making the parts of one that was cut in two, and validating all of them."""

from service.datasets.flows.preparing import prepare
from service.datasets.flows.ranges import read_ranges
from service.datasets.flows.validation import sweep_uploads, validate

__all__ = ["prepare", "read_ranges", "sweep_uploads", "validate"]
