"""Teams, their API keys, and what each role may do.

Invariants: a slug names one team for ever, and a team is never deleted. A key's secret is shown once and kept nowhere,
only its HMAC; `operator` and `finance` keys have no team and all others have exactly one; a revoked key never works
again. One table (`rules.SCOPES`) says what a role may do. Whoever answers from memory is told of every change here by
`NOTIFY resolve_changed`.
"""

from service.tenants.commands import authenticate, change_team, create_key, create_team, revoke_key
from service.tenants.errors import InvalidKey, KeyExpired
from service.tenants.queries import (
    KeyRecord,
    TeamFacts,
    count_choosers,
    digest,
    find_team,
    fingerprint_of_keys,
    has_operator,
    keys_for_resolving,
    list_keys,
    list_teams,
    me,
    owners,
    show_team,
    slugs,
    team,
)
from service.tenants.rules import SCOPES, Role, parse_key
from service.tenants.schemas import KeyCreate, KeyCreated, KeyView, Me, TeamCreate, TeamUpdate, TeamView

__all__ = [
    "SCOPES", "InvalidKey", "KeyCreate", "KeyCreated", "KeyExpired", "KeyRecord", "KeyView", "Me", "Role", "TeamCreate",
    "TeamFacts", "TeamUpdate", "TeamView", "authenticate", "change_team", "count_choosers", "create_key",
    "create_team", "digest", "find_team", "fingerprint_of_keys", "has_operator", "keys_for_resolving", "list_keys",
    "list_teams", "me", "owners", "parse_key", "revoke_key", "show_team", "slugs", "team",
]  # fmt: skip
