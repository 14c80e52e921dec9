"""Limits beside money: whose word holds, what it denies, and how many jobs a day it lets through."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from sqlalchemy import text

from service import quotas
from service.catalog import UnknownBaseModel
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI, WORKER
from service.quotas.rules import DEFAULTS, in_force, limits
from service.tenants import TeamFacts
from tests.quotas.factories import AT
from tests.tenants.factories import a_team, acting_for

SNAPSHOT: Final = "gpt-4o-mini-2024-07-18"


# ------------------------------------------------------------------------------------------------------ whose word holds
def test_a_limit_is_the_teams_else_the_platforms_else_the_default() -> None:
    words = in_force({"jobs_per_day": 3}, {"jobs_per_day": 7, "weight": "2"})
    assert words == {
        "allowed_models": ("unlimited", "default"), "allowed_methods": ("unlimited", "default"),
        "concurrent_jobs": ("unlimited", "default"), "jobs_per_day": (3, "team"), "weight": ("2", "platform"),
        "approval_above": ("unlimited", "default"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("team", "platform", "meant"),
    [
        ({}, {}, None),
        ({}, {"jobs_per_day": 7}, 7),
        ({"jobs_per_day": 0}, {"jobs_per_day": 7}, 0),
        ({"jobs_per_day": "unlimited"}, {"jobs_per_day": 7}, None),
        ({"jobs_per_day": 9}, {"jobs_per_day": 0}, 9),
    ],
)
def test_absent_inherits_zero_denies_and_a_word_lifts(team: Any, platform: Any, meant: int | None) -> None:
    assert limits(team, platform).jobs_per_day == meant


def test_an_empty_list_is_no_absent_one() -> None:
    standing = limits({"allowed_models": []}, {"allowed_models": [SNAPSHOT]})
    assert standing.allowed_models == frozenset()
