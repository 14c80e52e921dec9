"""Datasets across storage: making the parts of one that was cut in two, and validating all of them."""

from service.datasets.flows.validation import sweep_uploads, validate

__all__ = ["sweep_uploads", "validate"]
