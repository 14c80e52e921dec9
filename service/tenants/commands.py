"""Writes of teams and keys, and the check of a presented key (which notes when it was used)."""

import hmac
import secrets
import zoneinfo
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service import audit
from service.kit.identity import Actor, DbRole
from service.kit.ids import new_id, show
from service.kit.settings import settings
from service.tenants.errors import (
    ExpiryInThePast,
    InvalidKey,
    KeyExpired,
    KeyNotFound,
    KeyRevoked,
    RoleMismatch,
    SlugTaken,
    TeamNotFound,
    UnknownTimeZone,
)
from service.tenants.models import ApiKey, Team
from service.tenants.queries import digest
from service.tenants.rules import (
    ALPHABET,
    KEY_ID_CHARS,
    PLATFORM_ROLES,
    SCOPES,
    SECRET_CHARS,
    Role,
    assemble_key,
    of_archived,
    parse_key,
)
from service.tenants.schemas import KeyView, TeamCreate, TeamUpdate, TeamView

_USE_NOTED_EVERY: Final = timedelta(minutes=1)
_DB_ROLES: Final = {Role.OPERATOR: DbRole.OPERATOR, Role.FINANCE: DbRole.FINANCE}
_NOBODYS_DIGEST: Final = bytes(32)


def create_team(session: Session, actor: Actor, wanted: TeamCreate, *, connection_id: UUID | None = None) -> TeamView:
    """Found a team; `connection_id` is `wanted.connection` looked up. Raises UnknownTimeZone or SlugTaken."""
    if wanted.time_zone not in zoneinfo.available_timezones():
        raise UnknownTimeZone(pointer="#/time_zone", time_zone=wanted.time_zone)
    team_id = session.scalar(
        insert(Team)
        .values(id=new_id(), connection_id=connection_id, **wanted.model_dump(exclude={"connection"}))
        .on_conflict_do_nothing(index_elements=["slug"])
        .returning(Team.id)
    )
    if team_id is None:
        raise SlugTaken(pointer="#/slug", slug=wanted.slug)
    made = TeamView.of(session.get_one(Team, team_id))
    audit.record(
        session, actor, "team.created", object_type="team", object_id=made.id, team_id=team_id, after=made.model_dump()
    )
    _tell_resolvers(session)
    return made


def change_team(
    session: Session,
    actor: Actor,
    team_id: UUID,
    wanted: TeamUpdate,
    *,
    at: datetime,
    connection_id: UUID | None = None,
) -> TeamView:
    """Change what `wanted` names; `connection_id` is its connection looked up. Raises TeamNotFound.

    What is booked already keeps the names it was booked under.
    """
    row = session.scalars(select(Team).where(Team.id == team_id).with_for_update()).one_or_none()
    if row is None:
        raise TeamNotFound(team=show("team", team_id))
    before = TeamView.of(row).model_dump()
    given = wanted.model_dump(exclude_unset=True)
    if "connection" in given:
        row.connection_id = connection_id
    if given.get("archived") is not None:
        row.archived_at = (row.archived_at or at) if given["archived"] else None
    row.name = given.get("name") or row.name
    for name in ("cost_center", "product", "environment", "contact"):
        setattr(row, name, given.get(name, getattr(row, name)))
    session.flush()
    shown = TeamView.of(row)
    after = shown.model_dump()
    changed = [name for name in after if after[name] != before[name]]
    if changed:
        audit.record(
            session,
            actor,
            "team.changed",
            object_type="team",
            object_id=shown.id,
            team_id=team_id,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
    return shown


def create_key(
    session: Session,
    actor: Actor,
    *,
    team_id: UUID | None,
    role: Role,
    name: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> tuple[KeyView, str]:
    """Make a key of a team, or of the platform with None, and return it with its plaintext, which is kept nowhere.

    Raises RoleMismatch for a platform role with a team or the reverse, ExpiryInThePast.
    """
    if (team_id is None) != (role in PLATFORM_ROLES):
        raise RoleMismatch(pointer="#/role", role=role.value, owner="the platform" if team_id is None else "a team")
    if expires_at is not None and expires_at <= at:
        raise ExpiryInThePast(pointer="#/expires_at", expires_at=expires_at.isoformat())
    key_id, secret = _random(KEY_ID_CHARS), _random(SECRET_CHARS)
    plaintext = assemble_key(settings().environment, key_id, secret)
    row = ApiKey(
        id=new_id(),
        team_id=team_id,
        key_id=key_id,
        environment=settings().environment,
        digest=digest(secret),
        last4=plaintext[-4:],
        name=name,
        role=role,
        created_by=actor.name,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    made = KeyView.of(row)
    audit.record(
        session,
        actor,
        "key.created",
        object_type="api_key",
        object_id=made.id,
        team_id=team_id,
        after=made.model_dump(),
    )
    _tell_resolvers(session)
    return made, plaintext


def revoke_key(session: Session, actor: Actor, key_id: UUID, *, team_id: UUID | None, at: datetime) -> KeyView:
    """End a key of the team, or of the platform with None, at once and for ever. A revoked key stays as it is.

    Raises KeyNotFound.
    """
    row = session.scalars(
        select(ApiKey).where(ApiKey.id == key_id, ApiKey.team_id == team_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise KeyNotFound(key=show("key", key_id))
    if row.revoked_at is None:
        before = KeyView.of(row)
        row.revoked_at = at
        session.flush()
        audit.record(
            session,
            actor,
            "key.revoked",
            object_type="api_key",
            object_id=before.id,
            team_id=team_id,
            before=before.model_dump(),
            after=KeyView.of(row).model_dump(),
        )
        _tell_resolvers(session)
    return KeyView.of(row)


def authenticate(session_as_auth: Session, presented: str | None, at: datetime) -> Actor:
    """Who holds this key. A malformed key is refused without a look at the database.

    Raises InvalidKey, the same for every cause, unless the secret was right: only then KeyExpired or KeyRevoked.
    """
    parsed = parse_key(presented or "")
    if parsed is None:
        raise InvalidKey
    key_id, secret = parsed
    row = session_as_auth.execute(
        select(
            ApiKey.id,
            ApiKey.team_id,
            ApiKey.role,
            ApiKey.digest,
            ApiKey.expires_at,
            ApiKey.revoked_at,
            ApiKey.last_used_at,
            Team.archived_at,
        )
        .join(Team, Team.id == ApiKey.team_id, isouter=True)
        .where(ApiKey.key_id == key_id)
    ).one_or_none()
    # Compared for an unknown id too, so that its refusal takes as long as a wrong secret's.
    right = hmac.compare_digest(digest(secret), row.digest if row else _NOBODYS_DIGEST)
    if row is None or not right:
        raise InvalidKey
    if row.revoked_at is not None:
        raise KeyRevoked(revoked_at=row.revoked_at.isoformat())
    if row.expires_at is not None and row.expires_at <= at:
        raise KeyExpired(expired_at=row.expires_at.isoformat())
    if row.last_used_at is None or row.last_used_at <= at - _USE_NOTED_EVERY:
        _note_use(session_as_auth, row.id, at)
    role = Role(row.role)
    return Actor(
        db_role=_DB_ROLES.get(role, DbRole.TEAM),
        name=show("key", row.id),
        team_id=row.team_id,
        key_id=row.id,
        role=role.value,
        scopes=SCOPES[role] if row.archived_at is None else of_archived(SCOPES[role]),
        is_archived=row.archived_at is not None,
    )


def _note_use(session: Session, key_id: UUID, at: datetime) -> None:
    """Where another request is noting the same use at this moment, that one is enough: no request waits for it."""
    stale = (
        select(ApiKey.id)
        .where(ApiKey.id == key_id, or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= at - _USE_NOTED_EVERY))
        .with_for_update(skip_locked=True)
    )
    session.execute(
        update(ApiKey).where(ApiKey.id.in_(stale)).values(last_used_at=at),
        execution_options={"synchronize_session": False},
    )


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _tell_resolvers(session: Session) -> None:
    """Whoever answers from memory looks again once this transaction commits."""
    session.execute(select(func.pg_notify("resolve_changed", "")))
