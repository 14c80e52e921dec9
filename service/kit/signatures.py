"""Signatures of webhooks, by Standard Webhooks 1.0.0 (standardwebhooks.com), which OpenAI follows. Pure.

Signed is `id.timestamp.body`, with HMAC-SHA-256 under the bytes that follow `whsec_` in base64. A secret of another
form is its own key, as in OpenAI's SDK.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
TOLERANCE_SECONDS: Final = 300  # either way: what somebody recorded cannot be sent again for long
_DIGITS_MAX: Final = 11


def sign(secret: str, *, webhook_id: str, timestamp: str, body: bytes) -> str:
    """One signature as the header `webhook-signature` holds it."""
    mac = hmac.digest(_key(secret), f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac).decode()


def is_signed(secret: str, *, webhook_id: str, timestamp: str, signatures: str, body: bytes, at: datetime) -> bool:
    """Whether one of the `signatures` (parted by spaces: several while a secret is replaced) is right and not too old.

    Takes as long for either answer.
    """
    expected = sign(secret, webhook_id=webhook_id, timestamp=timestamp, body=body).encode()
    matches = [hmac.compare_digest(expected, one.encode()) for one in signatures.split(" ")]
    is_number = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _DIGITS_MAX
    age_seconds = at.timestamp() - (int(timestamp) if is_number else 0)
    return any(matches) and abs(age_seconds) <= TOLERANCE_SECONDS


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
