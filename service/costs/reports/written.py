"""A report written down: as JSON with its validator, and as a table."""

import hashlib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

import msgspec

from service.costs.reports.asked import MEASURES, Asked
from service.costs.reports.report import Report
from service.kit.tables import Batch, Column

_AMOUNT: Final = {name: f'"{name}":%s' if name == "quantity" else f'"{name}":"%s"' for name in MEASURES}


def as_json(report: Report) -> bytes:
    """The body of `CostReport`. Of a closed period the same bytes at any time."""
    span, as_of = report.asked.span, report.asked.as_of
    return msgspec.json.encode(
        {
            "object": "cost_report",
            "period": {
                "start": _midnight(span.start),
                "end": _midnight(span.end),
                "state": "closed" if report.period.closed else "open",
                "revision": report.period.revision,
            },
            "as_of": None if as_of is None else as_of.astimezone(UTC),
            "group_by": report.asked.group_by,
            "currency": report.currency,
            "rows": msgspec.Raw(_rows(report)),
            "total": dict(zip(MEASURES, report.total, strict=True)),
            "has_more": report.next is not None,
            "next": report.next,
        }
    )


def _rows(report: Report) -> bytes:
    """Rows as JSON, put together from their columns: keys repeat, and amounts need no escaping."""
    keys, count = report.asked.group_by, len(report.asked.group_by)
    columns = [_quoted(column) for column in report.columns[:count]]
    row = ",".join([f'"{key}":%s' for key in keys] + [_AMOUNT[name] for name in MEASURES])
    if report.columns[count + MEASURES.index("reserved")][:1] == [None]:
        row = row.replace(_AMOUNT["reserved"], '"reserved":%.0snull')
    return f"[{','.join(map(f'{{{row}}}'.__mod__, zip(*columns, *report.columns[count:], strict=True)))}]".encode()


def _quoted(column: list[str | None]) -> list[str]:
    """Texts as JSON has them, each encoded once."""
    encoded = {value: msgspec.json.encode(value).decode() for value in set(column)}
    return list(map(encoded.__getitem__, column))


def etag(report: Report, body: bytes) -> str:
    """A strong validator (RFC 9110, 8.8.3) of these bytes that says whether they are of a closed period.

    `"2026-10.closed.1-…"` stays as long as nobody reopens the month; the number counts closings.
    """
    state = f"closed.{report.period.revision}" if report.period.closed else "open"
    return f'"{str(report.asked.span).replace("/", "_")}.{state}-{hashlib.sha256(body).hexdigest()[:32]}"'


def columns(asked: Asked) -> tuple[Column, ...]:
    """A report as a table: every line tells its period and currency, so that files can be put together."""
    keys = (Column(key, "date" if key == "day" else "text") for key in asked.group_by)
    amounts = (Column(name, "integer" if name == "quantity" else "money") for name in MEASURES)
    return (Column("period", "text"), *keys, Column("currency", "text"), *amounts)


def table(report: Report) -> Batch:
    """Its rows for `columns`, without the total."""
    asked = report.asked
    period, count = str(asked.span), len(asked.group_by)
    dates = [index for index, key in enumerate(asked.group_by) if key == "day"]
    rows = []
    for row in report.rows:
        keys: list[Any] = list(row[:count])
        for index in dates:
            keys[index] = keys[index] and date.fromisoformat(keys[index])
        amounts = [None if amount is None else Decimal(amount) for amount in row[count:-1]]
        rows.append((period, *keys, report.currency, *amounts, row[-1]))
    return rows


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
