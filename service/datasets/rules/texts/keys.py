"""Telling a real key from its placeholder: what is random, what a checksum proves, what a token's header says."""

import base64
import binascii
import json
import re
import zlib
from collections import Counter
from math import log2
from typing import Final

_ENTROPY_MIN: Final = 2.8  # bits a character; sixteen random ones of base 32 have 3.5 and hardly ever less than 3
_KEY_MATERIAL_ENTROPY_MIN: Final = 4.5  # hundreds of random ones of base 64 have 5.5 and more
_PLACEHOLDER: Final = re.compile(
    r"x{4}|\.{3}|\*{3}|(.)\1{4}|your|example|placeholder|dummy|redacted|sample|insert|replace|changeme|12345678|abcdefgh",
    re.IGNORECASE,
)
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EMULATOR_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsu"  # Azurite's, the same on every laptop
_NAMES: Final = re.compile(
    r"[${<%*\[].*|x+|(?-i:[A-Z_]+)|.*(?:password|passwd|passphrase|secret|changeme|your|example).*"
    r"|pass|pwd|token|key|root|admin|user|guest|test|postgres|mysql",
    re.IGNORECASE,
)
_NOWHERE: Final = re.compile(
    r"localhost|127\.[0-9.]+|(?:.*\.)?example(?:\.(?:com|net|org))?|.*\.(?:invalid|test|localhost)"
)


def looks_random(match: re.Match[str]) -> bool:
    """Whether nobody made this key up."""
    key = match["key"]
    return not _PLACEHOLDER.search(key) and _entropy(key) >= _ENTROPY_MIN


def has_github_checksum(match: re.Match[str]) -> bool:
    """Whether the last six characters are the checksum of the thirty between them and the prefix."""
    key = match["key"]
    return key[-6:] == crc62(key[4:-6])


def has_our_checksum(match: re.Match[str]) -> bool:
    """Whether it was really issued as a key of ours."""
    body, _, checksum = match["key"].rpartition("_")
    return checksum == crc62(body)


def is_no_public_azure_key(match: re.Match[str]) -> bool:
    """Whether it is neither a placeholder nor the key of the storage emulator."""
    return looks_random(match) and not match["key"].startswith(_EMULATOR_KEY)


def has_key_material(match: re.Match[str]) -> bool:
    """Whether a key follows the header, not dots or prose."""
    body = re.sub(r"\\[nr]|\s", "", match["key"].split("-----")[2])
    return _entropy(body) >= _KEY_MATERIAL_ENTROPY_MIN


def has_token_header(match: re.Match[str]) -> bool:
    """Whether the header is JSON that names an algorithm, and its subject is not that of every tutorial."""
    header, claims = (_decoded(part) for part in match["key"].split(".")[:2])
    return "alg" in header and claims.get("sub") != "1234567890" and looks_random(match)


def is_real_password(match: re.Match[str]) -> bool:
    """Whether it is more than a name for a password, and of a host beyond the own machine."""
    password = match["key"]
    return not (password == match["user"] or _NAMES.fullmatch(password) or _NOWHERE.fullmatch(match["host"]))


def crc62(body: str) -> str:
    """CRC-32 in base 62, six digits: as in GitHub's tokens and in ours."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _entropy(text: str) -> float:
    """Shannon's, in bits a character."""
    return -sum(times / len(text) * log2(times / len(text)) for times in Counter(text).values())


def _decoded(part: str) -> dict[str, object]:
    """A part of a token, or nothing when it is no JSON object."""
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
