"""The ledger as FOCUS has it (FinOps Open Cost and Usage Specification), for finance's tools.

Invariants: a row is an entry, so the rows of a billing period sum to its ledger; a price times its quantity is the cost
of the row; names are as of the charge; a closed period's rows never change. What a column is, `columns.py` says once,
for the files and for the metadata beside them.
"""

from service.costs.focus.columns import BILLING_PERIOD, LATEST, Version, columns
from service.costs.focus.metadata import metadata, schema_id
from service.costs.focus.reading import Export, begin, billing_periods, page

__all__ = [
    "BILLING_PERIOD", "LATEST", "Export", "Version", "begin", "billing_periods", "columns", "metadata", "page",
    "schema_id",
]  # fmt: skip
