"""Writing the audit trail."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import insert
from sqlalchemy.orm import Session

from service.audit.models import AuditEntry
from service.kit.identity import Actor
from service.kit.ids import new_id


def record(
    session: Session,
    actor: Actor,
    action: str,
    *,
    object_type: str,
    object_id: str,
    team_id: UUID | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note that `actor` did `action` ("team.created") to the object, named by its shown id.

    `team_id` is whose affair it was, the actor's own team where not given. `before` and `after` may hold ids, instants
    and decimals; they become JSON. The caller keeps secrets out of them.
    """
    # Without RETURNING: tp_team may add entries but not read them.
    session.execute(
        insert(AuditEntry.__table__).values(  # type: ignore[arg-type]
            id=new_id(),
            team_id=team_id or actor.team_id,
            actor=actor.name,
            action=action,
            object_type=object_type,
            object_id=object_id,
            before=_json(before),
            after=_json(after),
            request_id=actor.request_id,
            ip=actor.ip,
        )
    )


def _json(facts: Mapping[str, Any] | None) -> Any:
    return None if facts is None else to_jsonable_python(dict(facts))
