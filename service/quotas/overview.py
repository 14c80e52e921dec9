"""One look at everything a team may use."""

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from service.quotas import queries, rules
from service.quotas.schemas.quota import QuotaLine, QuotaView, counted
from service.tenants import TeamFacts

_NOT_COUNTED: Final = {
    "allowed_models": "base models",
    "allowed_methods": "methods",
    "requests_per_minute": "requests",
    "requests_per_minute_per_key": "requests",
}


def quota(session: Session, team: TeamFacts, at: datetime, *, running: int, stored: int) -> QuotaView:
    """Each of the team's limits with what is used, held and left of it, and when that counts afresh.

    `running` is how many jobs hold a slot now, `stored` how many bytes its datasets have: whoever owns these knows.
    """
    words = rules.in_force(*queries.given(session, team.id))
    day, month = rules.day_of(at, team.time_zone), rules.month_of(at, team.time_zone)
    tokens, budget = queries.tokens_in(session, team.id, month), queries.budget(session, team, at)
    tomorrow = rules.begins_at(rules.next_day(day), team.time_zone)
    lines = [
        QuotaLine(
            name="monthly_budget", unit=budget.currency, origin=budget.origin, limit=budget.limit, spent=budget.spent,
            held=budget.held, left=budget.left, resets_at=budget.resets_at,
        ),
        counted(
            "training_tokens_per_month", "tokens", words["training_tokens_per_month"], spent=tokens.spent,
            held=tokens.held, resets_at=budget.resets_at,
        ),
        counted(
            "jobs_per_day", "jobs", words["jobs_per_day"], spent=queries.jobs_on(session, team.id, day),
            resets_at=tomorrow,
        ),
        counted("concurrent_jobs", "jobs", words["concurrent_jobs"], spent=running),
        counted("storage_bytes", "bytes", words["storage_bytes"], spent=stored),
        *(
            QuotaLine(name=name, unit=unit, origin=words[name][1], limit=words[name][0])
            for name, unit in _NOT_COUNTED.items()
        ),
    ]  # fmt: skip
    return QuotaView(team=team.slug, data=lines)
