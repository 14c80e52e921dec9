"""Secrets: each kind is found wherever it stands, its placeholders are not, and no text takes long."""

import base64
import json
import random
import string

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.datasets.rules.texts import keys, secrets
from service.datasets.rules.texts.facts import facts_of
from service.tenants import rules as tenants

ALNUM = string.ascii_letters + string.digits
DICE = random.Random(20261120)  # made here, so that no scanner of repositories takes them for somebody's


def dice(count: int, alphabet: str = ALNUM) -> str:
    return "".join(DICE.choices(alphabet, k=count))


def jwt(header: dict[str, str], claims: dict[str, str]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*parts, dice(43)])


def pem(kind: str = "RSA ", newline: str = "\n", *, end: bool = True) -> str:
    body = newline.join(dice(64, ALNUM + "+/") for _ in range(6))
    return f"-----BEGIN {kind}PRIVATE KEY-----{newline}{body}{newline}" + f"-----END {kind}PRIVATE KEY-----" * end


BASE32 = string.ascii_uppercase + "234567"
GITHUB = dice(30)
SAMPLES = [
    ("secret_openai_key", "sk-" + dice(48)),
    ("secret_openai_key", "sk-proj-" + dice(74, ALNUM + "_-") + "T3Blbk" + "FJ" + dice(74)),
    ("secret_openai_key", "sk-admin-" + dice(58) + "T3Blbk" + "FJ" + dice(58)),
    ("secret_anthropic_key", "sk-ant-api03-" + dice(93) + "AA"),
    ("secret_aws_key", "AKIA" + dice(16, BASE32)),
    ("secret_aws_key", "ASIA" + dice(16, BASE32)),
    ("secret_github_token", "ghp_" + GITHUB + keys.crc62(GITHUB)),
    ("secret_github_token", "github_pat_" + dice(22) + "_" + dice(59)),
    ("secret_gitlab_token", "glpat-" + dice(20)),
    ("secret_gitlab_token", "glsoat-" + dice(20)),
    ("secret_slack_token", f"xoxb-{dice(12, '4927')}-{dice(12, '4927')}-{dice(24)}"),
    ("secret_google_key", "AIza" + dice(35)),
    ("secret_stripe_key", "sk_live_" + dice(24)),
    ("secret_stripe_key", "rk_live_" + dice(99)),
    ("secret_npm_token", "npm_" + dice(36)),
    ("secret_pypi_token", "pypi-AgEIcHlwaS5vcmc" + dice(150)),
    ("secret_huggingface_token", "hf_" + dice(34, string.ascii_letters)),
    ("secret_jwt", jwt({"alg": "HS256", "typ": "JWT"}, {"sub": "8841"})),
    ("secret_tuneplane_key", tenants.assemble_key("prod", dice(10), dice(43))),
    ("secret_private_key", pem()),
    ("secret_private_key", pem("")),
    ("secret_private_key", pem("OPENSSH ", "\\n")),
]
# what is around it belongs to it: before, the secret, after
IN_CONTEXT = [
    ("secret_azure_storage_key", "AccountName=a;AccountKey=", dice(86, ALNUM + "+/") + "==", ";EndpointSuffix=core"),
    ("secret_aws_secret", "aws_secret_access_key = ", dice(40, ALNUM + "/+"), "\n"),
    ("secret_aws_secret", '{\\"SecretAccessKey\\": \\"', dice(40, ALNUM + "/+"), '\\"}'),
    ("secret_aws_secret", "export AWS_SECRET_ACCESS_KEY='", dice(40, ALNUM + "/+"), "'"),
    (
        "secret_slack_webhook",
        "https://hooks.slack.com/services/",
        f"T{dice(8, BASE32)}/B{dice(10, BASE32)}/{dice(24)}",
        "",
    ),
    ("secret_url_password", "postgresql://billing:", "gT7!k2wq9", "@db.acme.io:5432/main"),
    ("secret_url_password", "redis://:", "s3nt1nel", "@cache.acme.io"),
]


@pytest.mark.parametrize(("code", "key"), SAMPLES)
@pytest.mark.parametrize(
    "around", ["{}", "the key is {}.", '{{"a":"{}"}}', "x={}\nnext", "密钥是{}请保密", "a\\n{}\\nb", "`{}`"]
)
def test_a_key_is_found_where_it_stands(code: str, key: str, around: str) -> None:
    text = around.format(key)
    assert [*facts_of(text).findings] == [(code, text.index(key), text.index(key) + len(key))]


def test_a_private_key_is_found_whose_end_is_missing() -> None:
    text = "key: " + pem("EC ", end=False)
    assert [*facts_of(text + "...").findings] == [("secret_private_key", 5, len(text))]


@pytest.mark.parametrize(("code", "before", "secret", "after"), IN_CONTEXT)
def test_a_secret_known_by_what_is_around_it_is_found(code: str, before: str, secret: str, after: str) -> None:
    assert [*facts_of(before + secret + after).findings] == [(code, len(before), len(before + secret))]


@pytest.mark.parametrize(
    "text",
    [
        "sk-" + "x" * 48,
        "sk-" + "a1" * 24,
        "OPENAI_API_KEY=sk-your-api-key-here, or sk-proj-...",
        "sk-proj-" + "your_key_goes_here_" * 3,
        "task-" + dice(48),
        "sk-" + dice(49),  # neither an old nor a new key
        "AKIAIOSFODNN7EXAMPLE",  # AWS's own documentation
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "ghp_" + dice(36),  # the checksum is wrong
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "glpat-xxxxxxxxxxxxxxxxxxxx",
        "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        "sk_test_" + dice(24),
        "hf_" + "x" * 34,
        tenants.assemble_key("prod", dice(10), dice(43))[:-1] + "!",
        "tp_prod_" + dice(10) + "_" + dice(43) + "_" + dice(6),  # the checksum is wrong
        jwt({"typ": "JWT"}, {"sub": "8841"}),  # names no algorithm
        jwt({"alg": "HS256"}, {"sub": "1234567890"}),  # of every tutorial
        "eyJhbGciOiJ.eyJub.abc",
        "a file that begins with -----BEGIN RSA PRIVATE KEY----- and then base 64 text until the line that ends it",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\n" + dice(200),
        "postgres://user:password@db.acme.io/x",
        "postgres://{user}:{pw}@db.acme.io/x and mysql://root:$MYSQL_PW@db.acme.io and http://u:<pw>@acme.io",
        "postgres://billing:gT7!k2wq9@localhost:5432/x and amqp://guest:guest@mq.acme.io",
        "https://example.org:8443/a@b and https://acme.io/path:with@sign and http://a.io/?q=x:y@z",
        "AccountKey=" + "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "",
    ],
)  # fmt: skip
def test_placeholders_and_look_alikes_are_left_alone(text: str) -> None:
    assert not [*secrets.spans(text)]


def test_the_checksum_is_the_one_github_describes_and_ours() -> None:
    # the body of the token that articles about the format take apart
    assert keys.crc62("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ") == "0mLq17"
    key = tenants.assemble_key("test", "A" * 10, "b" * 43)
    assert key.endswith("_" + keys.crc62(key.rpartition("_")[0]))


def test_two_secrets_side_by_side_are_two() -> None:
    one, two = SAMPLES[0][1], SAMPLES[4][1]
    assert [span.code for span in facts_of(f"{one} {two}").findings] == ["secret_openai_key", "secret_aws_key"]


def test_every_kind_has_a_sample_here() -> None:
    assert {code for code, *_ in SAMPLES} | {code for code, *_ in IN_CONTEXT} == set(secrets.CODES)


PIECES = st.sampled_from(
    ["sk-", "sk-ant-", "ghp_", "AKIA", "AIza", "eyJ", ".", "xoxb-", "-----BEGIN PRIVATE KEY-----", "://", ":", "@", "+",
     "1234 ", "4111 1111 1111 1111", "a", "A1", "DE89 ", "x.y", "<|im_end|>", "[INST]", "\\n", "é", "漢", "\ud800",
     "AccountKey=", "secret_access_key=", "tp_a_", "-", "_", "123-45-6789"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join))
@hypothesis_settings(max_examples=400, deadline=None)
def test_no_text_makes_it_stumble_and_findings_are_apart_and_in_order(text: str) -> None:
    findings = facts_of(text).findings
    ends = [0, *(one.end for one in findings)]
    for before, one in zip(ends, findings, strict=False):
        assert before <= one.start < one.end <= len(text)


@pytest.mark.parametrize(
    "piece",
    ["a", "eyJ", " eyJ", "sk-", " sk-", "://a:", "@", "a@", "a@b.", "+1 ", "4", "4 ", "12-", "DE89",
     "-----BEGIN PRIVATE KEY-----\n", "ghp_", "AKIA", "<|", "[INST", "\\n", "secret_access_key", "12 34 56 "],
)  # fmt: skip
def test_time_grows_with_the_length_whatever_the_text_says(piece: str) -> None:
    """A pattern that goes back and forth would need minutes for these (the test's time limit)."""
    facts_of(piece * (1_000_000 // len(piece)))
