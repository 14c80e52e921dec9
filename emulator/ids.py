"""Identifiers that look like OpenAI's."""

from __future__ import annotations

import hashlib
import secrets
import string

ALPHABET = string.ascii_letters + string.digits


def fresh(prefix: str, length: int = 24) -> str:
    """A new random id."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def derived(prefix: str, *parts: object, length: int = 24) -> str:
    """The same id for the same parts, for things that are computed again whenever they are looked at."""
    number = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest())
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return prefix + "".join(letters)
