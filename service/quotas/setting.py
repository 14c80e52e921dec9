"""What operators set: budgets and limits, for the platform and for each team. Each replaces what was set before."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from service import audit, catalog, tenants
from service.kit import ids
from service.kit.identity import Actor
from service.quotas import months, queries, rules
from service.quotas.models import Budget, BudgetMonth, PlatformBudget, PlatformLimits, TeamLimits
from service.quotas.schemas import BudgetSet, BudgetView, LimitsSet
from service.tenants import TeamFacts

_PAGE: Final = 100


def set_budget(session: Session, actor: Actor, team: TeamFacts, wanted: BudgetSet, *, at: datetime) -> BudgetView:
    """Give the team these terms for the month of `at` and all later ones; months before keep theirs.

    Below what is spent and held a limit only stops new grants. What is absent the team inherits.
    """
    months.share_terms(session, team.id)
    before = _replace(session, Budget.terms, {"team_id": team.id}, wanted.words())
    month = rules.month_of(at, team.time_zone)
    months.prepare(session, team.id, month)
    _apply(session, [team.id], month, at)
    _record(session, actor, "budget", team, (before, wanted.words()))
    return queries.budget(session, team, at)


def set_platform_budget(session: Session, actor: Actor, wanted: BudgetSet, *, at: datetime) -> None:
    """Give every team that has no limit of its own these terms, for its month of `at` and all later ones."""
    months.take_platform_terms(session)
    before = _replace(session, PlatformBudget.terms, {"id": 1}, wanted.words())
    own = set(session.scalars(select(Budget.team_id).where(Budget.terms.has_key("monthly_limit"))))
    by_month: defaultdict[date, list[UUID]] = defaultdict(list)
    for team_id, time_zone in _teams(session):
        if team_id not in own:
            by_month[rules.month_of(at, time_zone)].append(team_id)
    for month, teams in by_month.items():
        _apply(session, teams, month, at)
    _record(session, actor, "budget", None, (before, wanted.words()))


def set_platform_limits(session: Session, actor: Actor, wanted: LimitsSet) -> None:
    """Replace what holds for every team that has nothing else set. Raises UnknownBaseModel."""
    after = _words(session, wanted)
    before = _replace(session, PlatformLimits.limits, {"id": 1}, after)
    _record(session, actor, "limits", None, (before, after))


def set_team_limits(session: Session, actor: Actor, team: TeamFacts, wanted: LimitsSet) -> None:
    """Replace what is set for the team itself; what is absent it inherits. Raises UnknownBaseModel."""
    after = _words(session, wanted)
    before = _replace(session, TeamLimits.limits, {"team_id": team.id}, after)
    _record(session, actor, "limits", team, (before, after))


def _teams(session: Session) -> Iterator[tuple[UUID, str]]:
    """Every team's id and time zone."""
    after, more = None, True
    while more:
        page = tenants.list_teams(session, after=after, limit=_PAGE)
        for one in page.data:
            after = ids.read("team", one.id)
            yield after, one.time_zone
        more = page.has_more


def _apply(session: Session, teams: Sequence[UUID], month: date, at: datetime) -> None:
    """Give these teams' months from that one on the base now in force, which is one for all, and tell what it reaches.

    What a month was carried or granted it keeps.
    """
    base = queries.terms(session, teams[0]).base
    these = (BudgetMonth.team_id.in_(teams), BudgetMonth.month >= month)
    in_order = select(BudgetMonth.month).where(*these).order_by(BudgetMonth.team_id, BudgetMonth.month)
    session.execute(in_order.with_for_update())  # as `take_back_grants` does: nobody waits in a circle
    changed = session.execute(
        update(BudgetMonth)
        .where(*these)
        .values(base_amount=base)
        .returning(BudgetMonth.team_id, BudgetMonth.month, BudgetMonth.limit_amount, BudgetMonth.spent)
        .execution_options(synchronize_session=False)
    )
    for team_id, opened, limit, spent in changed.all():
        months.tell(session, team_id, opened, limit=limit, spent=spent, at=at)


def _words(session: Session, wanted: LimitsSet) -> dict[str, Any]:
    """What was given, with the snapshots that its models stand for today: an alias may stand for another one later."""
    words = wanted.words()
    if isinstance(wanted.allowed_models, list):
        found = [
            catalog.snapshots(session, name, pointer=f"#/allowed_models/{n}")
            for n, name in enumerate(wanted.allowed_models)
        ]
        words["allowed_models"] = sorted({one for snapshots in found for one in snapshots})
    return words


def _replace(
    session: Session, column: InstrumentedAttribute[dict[str, Any]], key: dict[str, Any], words: rules.Words
) -> rules.Words | None:
    """Put these words in the place of those that are there, and return the latter."""
    table = column.class_
    before = session.scalar(select(column).filter_by(**key).with_for_update())
    row = insert(table).values({**key, column.key: words})
    session.execute(row.on_conflict_do_update(index_elements=list(key), set_={column.key: row.excluded[column.key]}))
    return before


def _record(
    session: Session, actor: Actor, what: str, team: TeamFacts | None, change: tuple[rules.Words | None, rules.Words]
) -> None:
    before, after = change
    audit.record(
        session,
        actor,
        f"{what}.set",
        object_type=what,
        object_id=ids.show("team", team.id) if team else "platform",
        team_id=team.id if team else None,
        before=before,
        after=after,
    )
