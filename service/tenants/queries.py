"""Reads of teams and keys. Row-level security shows a team's key its own team only; the filters here say the same."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, or_, select, true
from sqlalchemy.orm import Session

from service.kit.identity import Actor
from service.kit.ids import UnknownId, read, show
from service.kit.pages import Page, newest_first, page_of
from service.kit.settings import settings
from service.tenants.errors import KeyNotFound, PepperMissing, TeamNotFound
from service.tenants.models import ApiKey, Team
from service.tenants.rules import SLUG, Role, keyed_digest
from service.tenants.schemas import KeyView, Me, TeamName, TeamView


@dataclass(frozen=True, slots=True)
class TeamFacts:
    """What other domains need of a team; names as of now, to be copied where history matters."""

    id: UUID
    slug: str
    name: str
    cost_center: str | None
    product: str | None
    environment: str | None
    time_zone: str
    connection_id: UUID | None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What it takes to check a key without a database."""

    key_id: str
    digest: bytes
    team_id: UUID | None
    role: Role
    expires_at: datetime | None


def team(session: Session, team_id: UUID) -> TeamFacts:
    """The team. Raises TeamNotFound when there is none, or none this role may see."""
    return _facts(_the_team(session, select(Team).where(Team.id == team_id), show("team", team_id)))


def find_team(session: Session, slug_or_id: str, *, within: UUID | None = None) -> TeamFacts:
    """The team of this slug or shown id; `within` a team there is no other. Raises TeamNotFound."""
    return _facts(_look_up(session, slug_or_id, within))


def owners() -> Select[UUID, str | None, str | None, str | None]:
    """What of each team costs are grouped by, as of now: id, cost center, product and environment."""
    return select(Team.id, Team.cost_center, Team.product, Team.environment)


def show_team(session: Session, slug_or_id: str, *, within: UUID | None = None) -> TeamView:
    """The same, as shown."""
    return TeamView.of(_look_up(session, slug_or_id, within))


def list_teams(session: Session, *, after: UUID | None, limit: int) -> Page[TeamView]:
    """Teams, newest first."""
    rows, has_more = newest_first(session, select(Team), Team.id, after=after, limit=limit)
    return page_of([TeamView.of(row) for row in rows], has_more=has_more)


def slugs(session: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """The slugs of these teams, as far as this role may see them."""
    return {row.id: row.slug for row in session.execute(select(Team.id, Team.slug).where(Team.id.in_(ids)))}


def count_choosers(session: Session, connection_id: UUID) -> int:
    """How many teams, archived ones aside, have chosen this provider account for themselves."""
    chose = (Team.connection_id == connection_id, Team.archived_at.is_(None))
    return session.scalars(select(func.count()).where(*chose)).one()


def list_keys(session: Session, team_id: UUID | None, *, after: UUID | None, limit: int) -> Page[KeyView]:
    """A team's keys, or with None the platform's own, newest first; revoked and expired ones included."""
    owned = select(ApiKey).where(ApiKey.team_id == team_id)  # SQLAlchemy writes None as IS NULL
    rows, has_more = newest_first(session, owned, ApiKey.id, after=after, limit=limit)
    return page_of([KeyView.of(row) for row in rows], has_more=has_more)


def me(session_as_auth: Session, actor: Actor) -> Me:
    """Who `actor` is: its key, role, scopes and team. Raises KeyNotFound for an actor without a key, a worker say."""
    found = session_as_auth.execute(
        select(ApiKey.name, ApiKey.expires_at, Team.id, Team.slug, Team.name.label("team_name"))
        .join(Team, Team.id == ApiKey.team_id, isouter=True)
        .where(ApiKey.id == actor.key_id)
    ).one_or_none()
    if found is None or actor.key_id is None:
        raise KeyNotFound(key=actor.name)
    return Me(
        key=show("key", actor.key_id),
        name=found.name,
        role=actor.role,
        scopes=sorted(actor.scopes),
        team=TeamName(id=show("team", found.id), slug=found.slug, name=found.team_name) if found.id else None,
        expires_at=found.expires_at,
    )


def keys_for_resolving(session_as_resolver: Session) -> list[KeyRecord]:
    """Every key that is not revoked; whoever uses them checks the expiry at that moment."""
    rows = session_as_resolver.execute(
        select(ApiKey.key_id, ApiKey.digest, ApiKey.team_id, ApiKey.role, ApiKey.expires_at)
        .where(ApiKey.revoked_at.is_(None))
        .order_by(ApiKey.key_id)
    )
    return [KeyRecord(row.key_id, row.digest, row.team_id, Role(row.role), row.expires_at) for row in rows]


def fingerprint_of_keys(session_as_resolver: Session) -> tuple[int, int | None]:
    """Another one whenever `keys_for_resolving` says something else, for less than reading them all."""
    shown = func.row(ApiKey.key_id, ApiKey.digest, ApiKey.team_id, ApiKey.role, ApiKey.expires_at)
    hashed = func.bit_xor(func.hash_record_extended(shown, 0))
    count, mixed = session_as_resolver.execute(
        select(func.count(), hashed).where(ApiKey.revoked_at.is_(None)).select_from(ApiKey)
    ).one()
    return count, mixed


def digest(secret: str) -> bytes:
    """What is stored of a key's secret: HMAC-SHA-256 under this installation's pepper. Raises PepperMissing."""
    pepper = settings().key_pepper.get_secret_value()
    if not pepper:
        raise PepperMissing
    return keyed_digest(pepper.encode(), secret)


def has_operator(session: Session, at: datetime) -> bool:
    """Whether there is an operator's key that works."""
    live = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at)
    query = select(ApiKey.id).where(ApiKey.role == Role.OPERATOR, ApiKey.revoked_at.is_(None), live).limit(1)
    return session.scalar(query) is not None


def _look_up(session: Session, slug_or_id: str, within: UUID | None) -> Team:
    is_slug = SLUG.fullmatch(slug_or_id) is not None  # no id is one: ids have an underscore
    asked = Team.slug == slug_or_id if is_slug else Team.id == _team_id(slug_or_id)
    own = Team.id == within if within else true()
    return _the_team(session, select(Team).where(asked, own), slug_or_id)


def _team_id(shown: str) -> UUID:
    try:
        return read("team", shown)
    except UnknownId as error:
        raise TeamNotFound(team=shown) from error


def _the_team(session: Session, statement: Select[Team], asked: str) -> Team:
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise TeamNotFound(team=asked)
    return found


def _facts(row: Team) -> TeamFacts:
    return TeamFacts(
        id=row.id,
        slug=row.slug,
        name=row.name,
        cost_center=row.cost_center,
        product=row.product,
        environment=row.environment,
        time_zone=row.time_zone,
        connection_id=row.connection_id,
    )
