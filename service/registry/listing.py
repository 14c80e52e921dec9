"""Models as a team finds them: its own, and what others share with it; and what the owner says of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, insert, or_, select
from sqlalchemy.orm import Session

from service import audit
from service.kit.identity import Actor
from service.kit.ids import show
from service.kit.pages import Page, newest_first, page_of
from service.registry import queries
from service.registry.errors import ModelNotFound
from service.registry.models import Model, ModelShare, ModelVersion
from service.registry.rules import State
from service.registry.schemas import ModelUpdate, ModelView


@dataclass(frozen=True, slots=True)
class Search:
    """Which models: everything given must hold. `retiring_by`: a version in service is shut down by that day."""

    name: str | None = None
    base_model: str | None = None
    state: State | None = None
    retiring_by: date | None = None
    shared: bool = False


def search(session: Session, team_id: UUID, wanted: Search, *, after: UUID | None, limit: int) -> Page[ModelView]:
    """The team's models, or with `shared` those of others that it may read, newest first; the fields are `find`'s."""
    whose = _shared_with(team_id) if wanted.shared else Model.team_id == team_id
    statement = select(Model).where(whose, *_conditions(wanted))
    rows, has_more = newest_first(session, statement, Model.id, after=after, limit=limit)
    return page_of(_views(session, rows), has_more=has_more)


def find(session: Session, team_id: UUID, name: str) -> ModelView:
    """The team's model of this name; `owner:name` is another team's, if the team may read it. Raises ModelNotFound."""
    owner, colon, plain = name.rpartition(":")
    whose = and_(Model.owner == owner, or_(Model.team_id == team_id, _shared_with(team_id)))
    condition = whose if colon else Model.team_id == team_id
    row = session.scalars(select(Model).where(Model.name == plain, condition)).one_or_none()
    if row is None:
        raise ModelNotFound(name=name)
    return _views(session, [row])[0]


def update(
    session: Session, actor: Actor, name: str, wanted: ModelUpdate, teams: Mapping[str, UUID] | None
) -> ModelView:
    """Change what is given; `teams`, by slug, replaces those it is shared with. Raises ModelNotFound."""
    row = session.scalars(
        select(Model).where(Model.team_id == actor.team, Model.name == name).with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise ModelNotFound(name=name)
    given = wanted.model_dump(exclude_unset=True, exclude={"shared_with"})
    before = {field: getattr(row, field) for field in given}
    for field, value in given.items():
        setattr(row, field, value)
    session.flush()
    if teams is not None:
        of_model = {"team_id": row.team_id, "model_id": row.id}
        session.execute(delete(ModelShare).filter_by(**of_model))
        shares = [{**of_model, "shared_with": team, "slug": slug} for slug, team in teams.items()]
        if shares:
            session.execute(insert(ModelShare), shares)
    after = {**given, **({} if teams is None else {"shared_with": sorted(teams)})}
    audit.record(
        session,
        actor,
        "model.updated",
        object_type="model",
        object_id=show("model", row.id),
        before=before,
        after=after,
    )
    return _views(session, [row])[0]


def _views(session: Session, rows: Sequence[Model]) -> list[ModelView]:
    """In the order of `rows`, read once for each team they belong to."""
    made: dict[UUID, ModelView] = {}
    for team_id, owned in groupby(sorted(rows, key=lambda row: row.team_id), key=lambda row: row.team_id):
        models = list(owned)
        views = queries.views(session, team_id, models)
        made |= {row.id: view for row, view in zip(models, views, strict=True)}
    return [made[row.id] for row in rows]


def _shared_with(team_id: UUID) -> ColumnElement[bool]:
    """Row-level security says the same."""
    named = exists().where(
        ModelShare.team_id == Model.team_id, ModelShare.model_id == Model.id, ModelShare.shared_with == team_id
    )
    return and_(
        Model.team_id != team_id,
        or_(Model.visibility == "company", and_(Model.visibility == "shared", named)),
    )  # fmt: skip


def _conditions(wanted: Search) -> list[ColumnElement[bool]]:
    found = []
    if wanted.name is not None:
        found.append(Model.name.contains(wanted.name, autoescape=True))
    if wanted.base_model is not None:
        found.append(_has(ModelVersion.base_model == wanted.base_model))
    if wanted.state is not None:
        found.append(_has(ModelVersion.state == wanted.state))
    if wanted.retiring_by is not None:
        found.append(_has(ModelVersion.shutdown_date <= wanted.retiring_by, ModelVersion.state != State.RETIRED))
    return found


def _has(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether any version of the model is so."""
    return exists().where(ModelVersion.team_id == Model.team_id, ModelVersion.model_id == Model.id, *conditions)
