"""Whose usage is whose, and what a line of usage is metered as. Pure."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from service.provider.shapes import RemoteUsage

_BASE_LENGTH_MAX: Final = 100  # as the ledger names base models


class Owner(StrEnum):
    """Why usage belongs to a team; the first that applies."""

    API_KEY = "api_key"  # somebody said whose the key is
    PROJECT = "project"  # somebody said whose the project is
    MODEL = "model"  # the team's job has made the model
    NOBODY = "nobody"  # unallocated: finance sees it


class Failure(StrEnum):
    """Why an account's costs or usage are not read."""

    NO_ADMIN_KEY = "no_admin_key"
    ADMIN_KEY_REFUSED = "admin_key_refused"
    NO_COSTS_API = "no_costs_api"  # the server has no such pages
    KEY_UNREADABLE = "key_unreadable"  # sealed with another master key
    OTHER_CURRENCY = "other_currency"  # it bills in another than the ledger has
    UNREACHABLE = "unreachable"  # no answer, or none that can be read; asked again at the next tick


@dataclass(frozen=True, slots=True)
class Made:
    """Who made a tuned model, and of what."""

    team_id: UUID
    base_model: str
    version_id: UUID | None


@dataclass(frozen=True, slots=True)
class Owners:
    """All that is known at one account: `said` by kind and id, `made` by model."""

    said: Mapping[tuple[str, str], UUID]
    made: Mapping[str, Made]

    def of(self, project: str, api_key: str, model: str) -> tuple[UUID | None, Owner]:
        """The team, and why."""
        for kind, external_id in ((Owner.API_KEY, api_key), (Owner.PROJECT, project)):
            if (team := self.said.get((kind, external_id))) is not None:
                return team, kind
        made = self.made.get(model)
        return (made.team_id, Owner.MODEL) if made else (None, Owner.NOBODY)

    def base_of(self, model: str) -> str | None:
        """What the model was tuned from; None where it is no tuned model, as far as we know."""
        if made := self.made.get(model):
            return made.base_model[:_BASE_LENGTH_MAX]
        return base_in(model)


def base_in(model: str) -> str | None:
    """The base that a fine-tune's name has: `ft:<base>:<organisation>:…` (openai.md §1.6)."""
    prefix, _, rest = model.partition(":")
    return rest.partition(":")[0][:_BASE_LENGTH_MAX] or None if prefix == "ft" else None


def metered(usage: RemoteUsage) -> dict[str, int]:
    """Tokens by meter. Cached input has a meter and a price of its own; input always has a line, which counts requests.

    A provider that tells more cached input than input is taken at its word about the input.
    """
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    quantities = {
        "input_tokens": usage.input_tokens - cached,
        "cached_input_tokens": cached,
        "output_tokens": usage.output_tokens,
    }
    return {meter: tokens for meter, tokens in quantities.items() if tokens or meter == "input_tokens"}


def told_as_other_meters(
    kept: Iterable[tuple[object, ...]], told: AbstractSet[tuple[object, ...]]
) -> list[tuple[object, ...]]:
    """Keys, the meter last, that are not told of any more while the rest of their line is."""
    lines = {key[:-1] for key in told}
    return [key for key in kept if key not in told and key[:-1] in lines]


def combined(told: Iterable[RemoteUsage]) -> list[RemoteUsage]:
    """One line for each day, project, key, model and tier: a provider may have several names for one tier."""
    sums: dict[tuple[object, ...], RemoteUsage] = {}
    for one in told:
        key = (one.day, one.project, one.api_key, one.model, one.tier)
        known = sums.get(key)
        sums[key] = one if known is None else _sum(known, one)
    return list(sums.values())


def _sum(one: RemoteUsage, other: RemoteUsage) -> RemoteUsage:
    counted = ("input_tokens", "cached_input_tokens", "output_tokens", "requests")
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in counted})


def first_day(today: date, through: date | None, *, again: int, at_first: int) -> date:
    """The day from which to read: the last `again` days before today, all not read yet, `at_first` the first time."""
    if through is None:
        return today - timedelta(days=at_first)
    return min(through, today) - timedelta(days=again)
