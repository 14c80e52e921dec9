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
from service.costs.reports.idle import IDLE_DAYS, MODELS_BATCH, OldModel, idle_page, old_models, unused
from service.costs.reports.outlook import OUTLOOK_GROUPS, accuracy, forecast, outlook_group
from service.costs.reports.outlook_schemas import Accuracy, Forecast, IdleModel
from service.costs.reports.report import ROWS_MAX, PeriodState, Report, report
from service.costs.reports.schemas import CostEntry, CostEntryPage, CostReport, ExplainedEntry
from service.costs.reports.written import as_json, columns, etag, table

__all__ = [
    "ENTRY_COLUMNS", "IDLE_DAYS", "MEASURES", "MODELS_BATCH", "OUTLOOK_GROUPS", "ROWS_MAX", "Accuracy", "Asked",
    "AskedEntries", "CostEntry", "CostEntryPage", "CostReport", "ExplainedEntry", "Filters", "Forecast", "IdleModel",
    "OldModel", "PeriodState", "Place", "Report", "Sort", "Span", "accuracy", "as_json", "as_of", "columns",
    "cursor_of", "entry_page", "entry_rows", "etag", "explained", "filters", "forecast", "idle_page", "old_models",
    "outlook_group", "recorded_by_now", "report", "sort", "span", "table", "unused",
]  # fmt: skip
