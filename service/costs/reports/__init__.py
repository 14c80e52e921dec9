"""What was spent and what is held, by any keys: rows whose sum is the total, of one moment, in any form.

`asked` says what can be asked for, `sources` where the amounts lie, `report` adds them up, `written` writes them down.
"""

from service.costs.reports.asked import MEASURES, Asked, Filters, Sort, Span, as_of, cursor_of, filters, sort, span
from service.costs.reports.entries import (
    ENTRY_COLUMNS,
    AskedEntries,
    Place,
    entry_page,
    entry_rows,
    explained,
    recorded_by_now,
)
from service.costs.reports.report import ROWS_MAX, PeriodState, Report, report
from service.costs.reports.schemas import CostEntry, CostEntryPage, CostReport, ExplainedEntry
from service.costs.reports.written import as_json, columns, etag, table

__all__ = [
    "ENTRY_COLUMNS", "MEASURES", "ROWS_MAX", "Asked", "AskedEntries", "CostEntry", "CostEntryPage", "CostReport",
    "ExplainedEntry", "Filters", "PeriodState", "Place", "Report", "Sort", "Span", "as_json", "as_of", "columns",
    "cursor_of", "entry_page", "entry_rows", "etag", "explained", "filters", "recorded_by_now",
    "report", "sort", "span", "table",
]  # fmt: skip
