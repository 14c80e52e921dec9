"""A job's metrics as CSV (RFC 4180): flat, so that pandas reads them in one line."""

import csv
import io
from collections.abc import Sequence

from service.jobs.measures import NAMES
from service.jobs.models import JobMetric
from service.kit.spreadsheets import guarded


def metrics_as_csv(job: str, metrics: Sequence[JobMetric]) -> str:
    """A line for each step: job, step, total_steps, at, each measure, and then whatever else was measured, by name.

    Every line tells its job, so that files can be put together. What was not measured is an empty cell. The names of
    the last columns are the provider's words.
    """
    others = sorted({name for row in metrics for name in row.others})
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(["job", "step", "total_steps", "at", *NAMES, *map(guarded, others)])
    for row in metrics:
        measures = [getattr(row, name) for name in NAMES]
        more = [row.others.get(name) for name in others]
        lines.writerow([job, row.step, row.total_steps, row.at.isoformat(), *measures, *more])
    return out.getvalue()
