"""Kinds of provider accounts, the form of their addresses, and what a test of one can come to. Pure."""

import re
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Final

# No user or password: the key is kept sealed. No query or fragment: the SDK appends its paths. Nothing that the HTTP
# client cannot take apart: every worker that comes by such an account would break off, the janitor at all others too.
_BASE_URL: Final = re.compile(
    r"https?://([A-Za-z0-9._-]+|\[(?P<v6>[0-9A-Fa-f:.]+)\])(:(?P<port>[0-9]{1,5}))?(/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
)
_PORT_MAX: Final = 65_535
PACE_MIN: Final = 20  # requests a minute: with fewer, looking at a job takes more calls than may be made at once


class Kind(StrEnum):
    """How to speak to the account: OpenAI itself, Azure OpenAI, or any server with OpenAI's wire format."""

    OPENAI = "openai"
    AZURE = "azure"
    COMPATIBLE = "compatible"


class TestState(StrEnum):
    """Where a test of an account stands."""

    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"


class TestFailure(StrEnum):
    """Why a test failed, whatever a provider calls it."""

    REFUSED = "account_refused"  # the key, the account's rights or its money
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"  # no answer, or none that can be read
    NOT_AN_API = "not_an_api"  # somebody answers, but lists no models there
    KEY_UNREADABLE = "key_unreadable"  # sealed with another master key


def is_base_url(text: str) -> bool:
    """Whether `text` can be the address that a provider's paths are appended to."""
    found = _BASE_URL.fullmatch(text)
    if found is None or int(found["port"] or 0) > _PORT_MAX:
        return False
    try:
        return found["v6"] is None or bool(IPv6Address(found["v6"]))
    except ValueError:
        return False
