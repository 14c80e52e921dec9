"""The cost report as CSV (RFC 4180) for spreadsheets and notebooks."""

import csv
import io
from typing import Any

from service.costs.schemas import CostReport
from service.kit import money
from service.kit.spreadsheets import guarded


def as_csv(report: CostReport) -> str:
    """A line for each row, without the total: month, the keys as asked for, currency, reserved, settled, quantity.

    Every line tells its month and currency, so that files can be put together. Numbers are plain decimals; an absent
    key is an empty cell.
    """
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(["period", *report.group_by, "currency", "reserved", "settled", "quantity"])
    for row in report.rows:
        keys = [_text(getattr(row, key)) for key in report.group_by]
        measures = [money.text(row.reserved), money.text(row.settled), row.quantity]
        lines.writerow([f"{report.period.start:%Y-%m}", *keys, report.currency, *measures])
    return out.getvalue()


def _text(value: Any) -> str:
    return "" if value is None else guarded(str(value))
