"""Files of several segments, and what one reader says of them."""

import json
from uuid import UUID

from service.datasets import queries
from service.datasets.models import Dataset
from service.datasets.rules.checker import check
from service.datasets.rules.problems import Problem
from service.datasets.rules.report import Report
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.settings import settings
from service.provider import tokens
from tests.datasets.chat import TALK, changed, good, line, verify

SAYING = "the light turns every seven seconds, the keeper sleeps at noon, and the tide comes twice, never late"
SOUND = good(1000)
ALIKE = [
    line({"messages": [{"role": "user", "content": f"{number} {SAYING}"}, {"role": "assistant", "content": SAYING}]})
    for number in ("one", "two")
]
FAULTY = [
    *SOUND[:300], b"", ALIKE[0], *SOUND[:120], b"{", *SOUND[:250],
    changed(TALK, lambda e: e["messages"][1].update(role="boss")),
    *SOUND[:200], line(TALK).replace(b"light", b"l\xefght"), b"[]", *SOUND[:400], ALIKE[1],
]  # fmt: skip


def alone(team: UUID, content: bytes) -> tuple[Report, list[Problem]]:
    """What one reader says of it, offline."""
    told: list[Problem] = []
    with unit_of_work(worker_for(team)) as session:
        limits = queries.limits(session, team, clock.now())
    counters = {limit.encoding: tokens.counter(limit.encoding) for limit in limits}
    report = check(
        [content], counters, limits, segment_bytes=settings().segment_bytes, verify=verify(content),
        on_problem=told.append,
    )  # fmt: skip
    return report, told


def same(report: Report, row: Dataset) -> bool:
    """JSON in Postgres has no order of keys."""
    return json.dumps(report.as_json(), sort_keys=True) == json.dumps(row.report, sort_keys=True)
