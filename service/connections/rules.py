"""Kinds of provider accounts and the form of their addresses. Pure."""

import re
from enum import StrEnum
from typing import Final

# No user or password: the key is kept sealed. No query or fragment: the SDK appends its paths.
_BASE_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:]+(/[^\s?#@]*)?")


class Kind(StrEnum):
    """How to speak to the account: OpenAI itself, Azure OpenAI, or any server with OpenAI's wire format."""

    OPENAI = "openai"
    AZURE = "azure"
    COMPATIBLE = "compatible"


def is_base_url(text: str) -> bool:
    """Whether `text` can be the address that a provider's paths are appended to."""
    return _BASE_URL.fullmatch(text) is not None
