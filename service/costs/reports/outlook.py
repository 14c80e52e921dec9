"""Looking ahead: what a period will have cost. Looking back: how good estimates were."""

from collections import defaultdict
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Select, Subquery, cast, func, select
from sqlalchemy.orm import Session

from service.costs.errors import UnknownGroup
from service.costs.models import LedgerEntry
from service.costs.reports.asked import MEASURES, Asked, Filters, Span
from service.costs.reports.outlook_schemas import (
    Accuracy,
    AccuracyRow,
    Estimates,
    Forecast,
    ForecastRow,
    ForecastTotal,
    WorstEstimate,
)
from service.costs.reports.projection import DAYS_OBSERVED, METHOD, project, together
from service.costs.reports.report import Report, report
from service.costs.reports.sources import ENTRY_KEYS, of_entries
from service.kit import ids, money

OUTLOOK_GROUPS: Final = ("team", "cost_center", "product", "environment", "provider", "base_model")
_WORST: Final = 10


def outlook_group(text: str) -> str:
    """The one key that an outlook is grouped by. Raises UnknownGroup."""
    if text not in OUTLOOK_GROUPS:
        raise UnknownGroup(group=text, known=", ".join(OUTLOOK_GROUPS), pointer="group_by")
    return text


def forecast(
    session: Session, span: Span, by: str, *, team_id: UUID | None, filters: Filters, at: datetime
) -> Forecast:
    """What the span will have cost at its end, by a key, as seen at an instant. Use a `read_only` unit."""
    today = at.astimezone(UTC).date()
    observed = Span(today - timedelta(days=DAYS_OBSERVED), today)
    whole = report(session, Asked(span=span, group_by=(by,), team_id=team_id, filters=filters))
    days = report(session, Asked(span=observed, group_by=(by, "day"), team_id=team_id, filters=filters))
    left = _days_left(span, at)
    of_key, of_day, now = _costs(days, 0), _costs(days, 1), _amounts(whole)
    rows = {
        key: project(of_key[key], booked=booked, held=held, days_left=left)
        for key in sorted({*now, *of_key}, key=lambda key: (key is None, key or ""))
        for booked, held in [now.get(key, (money.ZERO, money.ZERO))]
    }
    total = together(list(rows.values()), [sum(day, money.ZERO) for day in of_day.values()], days_left=left)
    return Forecast(
        start=span.start,
        end=span.end,
        at=at,
        days_left=float(round(left, 3)),
        method=METHOD,
        group_by=by,
        currency=whole.currency,
        rows=[ForecastRow(key=key, **asdict(row)) for key, row in rows.items()],
        total=ForecastTotal(**asdict(total)),
    )


def _days_left(span: Span, at: datetime) -> Decimal:
    """Days of the span that are not over, the present one by its part."""
    begin, end = (datetime.combine(day, time(), UTC) for day in (span.start, span.end))
    left = max(end - max(begin, at), timedelta())
    return Decimal(left // timedelta(milliseconds=1)) / 86_400_000


def _costs(days: Report, index: int) -> defaultdict[Any, list[Decimal]]:
    """What was charged, by one of the report's keys."""
    found = defaultdict[Any, list[Decimal]](list)
    for row in days.rows:
        if row[1] is not None:  # what is held has no day
            found[row[index]].append(Decimal(str(row[2 + MEASURES.index("cost")])))
    return found


def _amounts(whole: Report) -> dict[Any, tuple[Decimal, Decimal]]:
    """Booked and held, by the report's key."""
    booked, held = MEASURES.index("cost"), MEASURES.index("reserved")
    return {row[0]: (Decimal(str(row[1 + booked])), Decimal(str(row[1 + held] or 0))) for row in whole.rows}


def accuracy(session: Session, span: Span, by: str, *, team_id: UUID | None, filters: Filters) -> Accuracy:
    """Estimates against bills of the jobs whose training counts in the span, by a key."""
    jobs = _jobs(span, by, team_id, filters).subquery("jobs")
    groups = select(jobs.c.key, *_measured(jobs)).group_by(jobs.c.key).order_by(jobs.c.key.asc().nulls_last())
    far_off = select(jobs).order_by(func.abs(jobs.c.actual - jobs.c.estimated).desc(), jobs.c.job_id).limit(_WORST)
    return Accuracy(
        start=span.start,
        end=span.end,
        group_by=by,
        currency=money.CURRENCY,
        rows=[AccuracyRow(**row) for row in session.execute(groups).mappings()],
        total=Estimates(**session.execute(select(*_measured(jobs))).mappings().one()),
        worst=[
            WorstEstimate(
                job=ids.show("job", row.job_id),
                team=row.team,
                base_model=row.base_model,
                estimated=row.estimated,
                actual=row.actual,
                ratio=round(float(row.actual / row.estimated), 4),
            )
            for row in session.execute(far_off)
        ],
    )


def _jobs(span: Span, by: str, team_id: UUID | None, filters: Filters) -> Select[*tuple[Any, ...]]:
    """Each job with what was held for it and what its training was billed, confirmations included."""
    estimated, actual = func.sum(LedgerEntry.estimated), func.sum(LedgerEntry.amount)
    training = (LedgerEntry.kind == "training", LedgerEntry.job_id.is_not(None))
    key = ENTRY_KEYS[by]
    owner = (func.min(LedgerEntry.team_slug).label("team"), func.min(LedgerEntry.base_model).label("base_model"))
    return (
        select(
            key.label("key"),
            LedgerEntry.job_id,
            *owner,
            estimated.label("estimated"),
            actual.label("actual"),
        )
        .where(*of_entries(span, filters, team_id), *training)
        .group_by(key, LedgerEntry.job_id)
        .having(estimated > 0)
    )


def _measured(jobs: Subquery) -> list[ColumnElement[Any]]:
    off = jobs.c.actual / jobs.c.estimated - 1
    return [
        func.count().label("jobs"),
        func.coalesce(func.sum(jobs.c.estimated), 0).label("estimated"),
        func.coalesce(func.sum(jobs.c.actual), 0).label("actual"),
        _share(func.sum(jobs.c.actual) / func.sum(jobs.c.estimated)).label("ratio"),
        _share(func.avg(off)).label("bias"),
        _share(func.avg(func.abs(off))).label("error"),
        func.count().filter(jobs.c.actual > jobs.c.estimated).label("overruns"),
    ]


def _share(value: ColumnElement[Any]) -> ColumnElement[float]:
    return cast(func.round(value, 4), Float)
