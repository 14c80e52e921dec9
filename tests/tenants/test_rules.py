"""Key format and the table of roles, without a database."""

import hashlib
import hmac
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit import logs
from service.tenants import SCOPES, Role, parse_key
from service.tenants.rules import ALPHABET, PLATFORM_ROLES, SLUG, assemble_key, keyed_digest

base62 = st.text(ALPHABET, min_size=43, max_size=43)
key_ids = st.text(ALPHABET, min_size=10, max_size=10)
environments = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)

KEY_ID, SECRET = "k3yId00001", "s" * 43
KEY = assemble_key("prod", KEY_ID, SECRET)


@given(environments, key_ids, base62)
def test_a_key_is_read_as_it_was_made(environment: str, key_id: str, secret: str) -> None:
    key = assemble_key(environment, key_id, secret)
    assert parse_key(key) == (key_id, secret)
    assert re.fullmatch(r"tp_[a-z0-9]{1,12}_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", key)


def test_the_format_is_kept_for_ever() -> None:
    """Keys in the field outlive releases: this one was assembled by the first."""
    assert KEY == "tp_prod_k3yId00001_sssssssssssssssssssssssssssssssssssssssssss_2wSck2"


@given(st.integers(0, len(KEY) - 1), st.sampled_from(ALPHABET))
def test_one_mistyped_character_is_noticed_offline(at: int, typed: str) -> None:
    mistyped = KEY[:at] + typed + KEY[at + 1 :]
    assert (parse_key(mistyped) is None) == (mistyped != KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY[:-1],
        KEY + "a",
        f" {KEY}",
        f"{KEY}\n",
        KEY.upper(),
        KEY.replace("tp_", "sk_"),
        KEY.replace("prod", ""),
        KEY.replace("s", "ß"),
        KEY[:-6] + "\u0661" * 6,  # digits, but not ours
        "sk-proj-abc",
        "\x00" * 70,
    ],
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None


@given(st.text())
def test_no_text_whatever_makes_parsing_crash(text: str) -> None:
    assert parse_key(text) is None


def test_a_digest_is_an_hmac_of_the_secret_under_the_pepper() -> None:
    assert keyed_digest(b"pepper", SECRET) == hmac.new(b"pepper", SECRET.encode(), hashlib.sha256).digest()
    assert keyed_digest(b"pepper", SECRET) != keyed_digest(b"salt", SECRET)


def test_a_key_that_slips_into_a_log_is_blanked() -> None:
    blanked = logs._redact(None, "info", {"event": f"refused {KEY} at once"})
    assert blanked["event"] == "refused [redacted] at once"


READS = {"catalog:read", "datasets:read", "jobs:read", "models:read", "costs:read", "budgets:read", "limits:read"}
WRITES = {"datasets:write", "datasets:content", "jobs:write", "models:write", "budgets:request"}
LEADS = {"keys:read", "keys:write", "jobs:approve", "jobs:move"}
BOOKS = {
    "costs:adjust", "costs:export", "periods:write", "prices:write", "reconciliation:read", "reconciliation:write",
    "usage:assign",
}  # fmt: skip
ALL = {
    "me:read", "models:resolve", *READS, *WRITES, "teams:read", "teams:write",
    "budgets:write", "budgets:approve", "limits:write", "audit:read", "connections:read", "connections:write",
    "attention:read", "attention:write", *LEADS, *BOOKS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        (Role.OPERATOR, ALL),
        (Role.FINANCE, {"me:read", "teams:read", "budgets:read", "catalog:read", "costs:read", *BOOKS}),
        (Role.ADMIN, {"me:read", "models:resolve", *READS, *WRITES, *LEADS}),
        (Role.MEMBER, {"me:read", "models:resolve", *READS, *WRITES}),
        (Role.VIEWER, {"me:read", "models:resolve", *READS}),
        (Role.RESOLVER, {"me:read", "models:resolve"}),
    ],
)
def test_a_role_may_do_this_and_nothing_else(role: Role, scopes: set[str]) -> None:
    assert SCOPES[role] == scopes


def test_no_role_of_a_team_reaches_beyond_it() -> None:
    beyond = ALL - READS - WRITES - LEADS - {"me:read", "models:resolve"}
    assert len(beyond) == 17
    for role in set(Role) - PLATFORM_ROLES:
        assert not SCOPES[role] & beyond


@pytest.mark.parametrize("slug", ["ab", "support-bot", "a1", "a" * 39])
def test_a_slug(slug: str) -> None:
    assert SLUG.fullmatch(slug)


@pytest.mark.parametrize("slug", ["", "a", "A1", "1a", "-a", "a_b", "a b", "a" * 40, "ab\n", "ñandu"])
def test_no_slug(slug: str) -> None:
    assert SLUG.fullmatch(slug) is None
