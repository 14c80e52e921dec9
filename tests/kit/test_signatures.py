"""Signatures of webhooks, checked against those who verify them in earnest."""

from datetime import UTC, datetime, timedelta

import pytest
from openai import InvalidWebhookSignatureError, OpenAI

from service.kit.signatures import is_signed, sign

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET, OTHER = "whsec_c2VjcmV0", "whsec_b3RoZXI="
BODY = '{"type":"fine_tuning.job.succeeded","data":{"id":"ftjob-é"}}'.encode()


def stamp(at: datetime) -> str:
    return str(int(at.timestamp()))


def signed(secret: str = SECRET, at: datetime = NOW) -> str:
    return sign(secret, webhook_id="wh_1", timestamp=stamp(at), body=BODY)


def check(signatures: str, *, secret: str = SECRET, timestamp: str = stamp(NOW), body: bytes = BODY) -> bool:
    return is_signed(secret, webhook_id="wh_1", timestamp=timestamp, signatures=signatures, body=body, at=NOW)


@pytest.mark.parametrize("secret", [SECRET, OTHER, "plain words", "whsec_not base64!"])
def test_the_sdk_believes_what_we_sign_and_nothing_else(secret: str) -> None:
    now = datetime.now(UTC)
    signature = sign(secret, webhook_id="wh_1", timestamp=stamp(now), body=BODY)
    headers = {"webhook-id": "wh_1", "webhook-timestamp": stamp(now), "webhook-signature": signature}
    if secret != "whsec_not base64!":  # at which the SDK gives up
        client = OpenAI(api_key="none", webhook_secret=secret)
        client.webhooks.verify_signature(BODY, headers)
        with pytest.raises(InvalidWebhookSignatureError):
            client.webhooks.verify_signature(BODY + b" ", headers)


def test_any_of_several_signatures_will_do() -> None:
    assert check(f"{signed(OTHER)} {signed()}")
    assert check(f"v2,x not {signed()} v1,")
    assert not check(f"{signed(OTHER)} v1,")


@pytest.mark.parametrize("wrong", ["", "v1,", "v1", "v2," + signed()[3:], signed()[:-1], signed().lower(), "\u00e9"])
def test_what_is_not_the_signature_is_refused(wrong: str) -> None:
    assert not check(wrong)
    assert not check(signed(), body=BODY + b" ")
    assert not check(signed(), secret=OTHER)


@pytest.mark.parametrize(("seconds", "fresh"), [(300, True), (301, False), (-300, True), (-301, False), (10**6, False)])
def test_old_and_future_ones_are_refused_although_they_are_signed(seconds: int, *, fresh: bool) -> None:
    at = NOW - timedelta(seconds=seconds)
    assert check(signed(at=at), timestamp=stamp(at)) is fresh


@pytest.mark.parametrize("timestamp", ["", "soon", "-5", "1e9", "\u0663", "9" * 400, "1763640000.5"])
def test_a_timestamp_that_is_none_is_refused(timestamp: str) -> None:
    assert not check(sign(SECRET, webhook_id="wh_1", timestamp=timestamp, body=BODY), timestamp=timestamp)
