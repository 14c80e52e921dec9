"""Datasets across storage: making the parts of one that was cut in two, and validating all of them."""

from service.datasets.flows.erasing import erase, retain, sweep_orphans
from service.datasets.flows.preparing import prepare
from service.datasets.flows.ranges import read_ranges
from service.datasets.flows.validation import sweep_uploads, validate

__all__ = [
    "erase",
    "prepare",
    "read_ranges",
    "retain",
    "sweep_orphans",
    "sweep_uploads",
    "validate",
]
