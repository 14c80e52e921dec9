"""The registry as this process holds it in memory: facts by team, and each answer's bytes from when it is first asked.

Made when asked, 100,000 models are loaded in the time their rows take to come, and one that moves costs one answer
instead of all. A `Served` is never changed: requests read it while the resolver's thread makes the next.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from service import registry, tenants
from service.kit.ids import show

Header = tuple[bytes, bytes]
Headers = list[Header]

_VARY: Final = (b"vary", b"Authorization, Accept")
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Representation:
    """One answer in one form, ready to be sent."""

    etag: bytes
    headers: Headers
    headers_unchanged: Headers
    body: bytes


class Entry:
    """What an alias means, and the answers that were already asked for."""

    __slots__ = ("_json", "_text", "resolution")

    def __init__(self, resolution: registry.Resolution) -> None:
        self.resolution = resolution
        # Two threads may make the same one at a time: they make the same bytes.
        self._json: Representation | None = None
        self._text: Representation | None = None

    def json(self, cache_control: Header) -> Representation:
        """All that is known, as JSON."""
        if self._json is None:
            self._json = _representation(_view(self.resolution), _JSON, self.resolution, cache_control)
        return self._json

    def text(self, cache_control: Header) -> Representation:
        """The bare id of the model."""
        if self._text is None:
            self._text = _representation(self.resolution.model.encode(), _TEXT, self.resolution, cache_control)
        return self._text


OfTeam = Mapping[tuple[str, str], Entry]
"""By the model's name and the alias."""
_NOTHING: Final[OfTeam] = {}


@dataclass(frozen=True, slots=True)
class Served:
    """The registry as of one moment."""

    keys: Mapping[str, tenants.KeyRecord]
    teams: Mapping[UUID, OfTeam]
    cache_control: Header = field(repr=False)

    def find(self, team_id: UUID, name: str, alias: str) -> Entry | None:
        """What the team's alias means, if there is one."""
        of_team = self.teams.get(team_id)
        return of_team.get((name, alias)) if of_team else None

    def snapshot(self) -> registry.Snapshot:
        """The facts in it."""
        return registry.Snapshot(
            self.keys, [entry.resolution for entries in self.teams.values() for entry in entries.values()]
        )


def prepare(snapshot: registry.Snapshot, *, max_age_seconds: int, before: Served | None = None) -> Served:
    """Ready to answer. An answer may be kept for `max_age_seconds`, and for a day while we are away.

    What has not changed since `before` keeps the answers it has; if nothing has, it is `before` itself.
    """
    control = b"private, max-age=%d, stale-while-revalidate=60, stale-if-error=86400" % max_age_seconds
    cache_control = (b"cache-control", control)
    if before is not None and before.cache_control != cache_control:
        before = None
    teams = _by_team(snapshot.resolutions, before.teams if before else {})
    if before is not None and (before.keys, before.teams) == (snapshot.keys, teams):
        return before
    return Served(snapshot.keys, teams, cache_control)


def update(before: Served, changes: registry.Changes) -> Served:
    """As it is after these changes; `before` itself where they are none. It costs what they do, not all."""
    keys = before.keys if changes.keys is None or changes.keys == before.keys else changes.keys
    touched: dict[UUID, set[UUID]] = {}
    for team_id, model_id in changes.models:
        touched.setdefault(team_id, set()).add(model_id)
    came = _by_team(changes.resolutions, before.teams)
    teams = {team: _replaced(before.teams.get(team, _NOTHING), models, came.get(team, _NOTHING))
             for team, models in touched.items()}  # fmt: skip
    moved = {team: entries for team, entries in teams.items() if entries != before.teams.get(team, _NOTHING)}
    if not moved and keys is before.keys:
        return before
    return Served(keys, {**before.teams, **moved} if moved else before.teams, before.cache_control)


def _replaced(entries: OfTeam, models: Container[UUID], came: OfTeam) -> OfTeam:
    """A team's aliases, with those of these models replaced by what came."""
    return {at: one for at, one in entries.items() if one.resolution.model_id not in models} | dict(came)


def _by_team(resolutions: Iterable[registry.Resolution], known: Mapping[UUID, OfTeam]) -> dict[UUID, OfTeam]:
    made: dict[UUID, dict[tuple[str, str], Entry]] = {}
    for one in resolutions:
        at = (one.name, one.alias)
        entry = known.get(one.team_id, _NOTHING).get(at)
        made.setdefault(one.team_id, {})[at] = entry if entry and entry.resolution == one else Entry(one)
    return dict(made)


def _view(one: registry.Resolution) -> bytes:
    view = registry.ResolutionView(
        name=one.name,
        alias=one.alias,
        model=one.model,
        base_model=one.base_model,
        version=one.version,
        job_id=one.job_id and show("job", one.job_id),
        activated_at=one.activated_at,
        shutdown_date=one.shutdown_date,
        previous_model=one.previous_model,
    )
    return view.model_dump_json().encode()


def _representation(
    body: bytes, content_type: Header, one: registry.Resolution, cache_control: Header
) -> Representation:
    # Of the bytes themselves: the same in every process, and another one as soon as anything in them differs.
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
    last_modified = (b"last-modified", format_datetime(one.activated_at, usegmt=True).encode())
    unchanged = [cache_control, _VARY, last_modified, _NOSNIFF, (b"etag", etag)]
    return Representation(etag, [*unchanged, content_type, _length(len(body))], unchanged, body)


@lru_cache(maxsize=1024)
def _length(length: int) -> Header:
    return b"content-length", b"%d" % length
