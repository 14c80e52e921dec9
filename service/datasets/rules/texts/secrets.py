"""Credentials in a text, known by a prefix that nothing else has, by a checksum, or by what they decode to.

Keys without a mark of their own are not looked for: every hash would be one. Placeholders are left alone.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from service.datasets.rules.texts import keys
from service.datasets.rules.texts.spans import Span


class Kind(NamedTuple):
    """A kind of secret: its rule, what it is called, its pattern (the group `key` is the secret), and the proof."""

    code: str
    name: str
    pattern: re.Pattern[str]
    is_genuine: Callable[[re.Match[str]], bool] = keys.looks_random


def _after(prefix: str, rest: str) -> re.Pattern[str]:
    """The key begins with this prefix (of a fixed length) and not inside a word; an escaped newline ends a word.

    The prefix comes first so that the search can run ahead to it.
    """
    alone = rf"(?:(?<![A-Za-z0-9_-]{prefix})|(?<=\\[nrt]{prefix}))"
    return re.compile(rf"(?P<key>{prefix}{alone}{rest})(?![A-Za-z0-9_-])")


_ASSIGNED: Final = r"[\\\"']{0,3}\s{0,3}[:=]\s{0,3}[\\\"']{0,3}(?P<key>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"

# G: gitleaks' default rules (github.com/gitleaks/gitleaks, cmd/generate/config/rules), narrowed to what has a mark.
_UNDERSCORED: Final = (
    # github.blog 2021-04-05, "Behind GitHub's new authentication token formats": 30 characters and their CRC-32
    Kind("secret_github_token", "a GitHub token", _after("gh[pousr]_", "[A-Za-z0-9]{36}"), keys.has_github_checksum),
    # G; GitHub says nothing about a checksum in these
    Kind("secret_github_token", "a GitHub token", _after("github_pat_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}")),
    # docs.stripe.com/keys: live secret and restricted keys; those of the test mode move no money
    Kind("secret_stripe_key", "a Stripe live key", _after("[sr]k_live_", "[A-Za-z0-9]{24,99}")),
    # github.blog 2021-09-23 on npm's tokens
    Kind("secret_npm_token", "an npm token", _after("npm_", "[A-Za-z0-9]{36}")),
    # G
    Kind("secret_huggingface_token", "a Hugging Face token", _after("hf_", "[A-Za-z]{34}")),
    # no prefix: known by its name, as AWS's files and tools write it
    Kind("secret_aws_secret", "an AWS secret access key",
         re.compile("(?:secret_access_key|SECRET_ACCESS_KEY)" + _ASSIGNED)),
    # our own keys: tenants/rules.py, where they are assembled
    Kind("secret_tuneplane_key", "a Tuneplane API key",
         _after("tp_", "[a-z0-9]{1,12}_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}"), keys.has_our_checksum),
)  # fmt: skip
_HYPHENED: Final = (
    # G: 48 characters since 2020; project, service account and admin keys since 2024 are longer
    Kind("secret_openai_key", "an OpenAI API key",
         _after("sk-", "(?:[A-Za-z0-9]{48}|(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,200})")),
    # G: sk-ant-api03-, sk-ant-admin01-
    Kind("secret_anthropic_key", "an Anthropic API key", _after("sk-ant-", "[a-z0-9]{3,12}-[A-Za-z0-9_-]{80,120}")),
    # docs.gitlab.com, "Token overview", prefixes
    Kind("secret_gitlab_token", "a GitLab token",
         _after("gl", r"(?:pat|dt|rt|ptt|cbt|soat|ft)-[A-Za-z0-9_-]{20,300}(?:\.[0-9a-z]{2}\.?[0-9a-z]{7})?")),
    # docs.slack.dev, "Tokens"; G
    Kind("secret_slack_token", "a Slack token", _after("xox[abeprs]-", "[0-9]{8,14}-[A-Za-z0-9-]{18,200}")),
    # pypi.org/help: pypi- and a macaroon, whose first bytes hold "pypi.org" or "test.pypi.org"
    Kind("secret_pypi_token", "a PyPI token",
         _after("pypi-", "AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,1000}")),
    # RFC 7468 §10 and §11, RFC 1421 §4.4 (headers); lines may end in an escaped newline, the text before the key
    Kind("secret_private_key", "a private key",
         re.compile(r"(?P<key>-----BEGIN (?:[A-Z]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----[\s\\nr]{1,8}"
                    r"(?:(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]{1,80}[\s\\nr]{1,8}){0,3}"
                    r"[A-Za-z0-9+/=\s\\]{64,20000}+(?:-----END (?:[A-Z]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----)?)"),
         keys.has_key_material),
)  # fmt: skip
_CAPITAL: Final = (
    # AWS IAM User Guide, "Unique identifiers": AKIA is an access key, ASIA a temporary one; base 32
    Kind("secret_aws_key", "an AWS access key", _after("A[KS]IA", "[A-Z2-7]{16}")),
    Kind("secret_aws_secret", "an AWS secret access key", re.compile("AccessKey(?<=ecretAccessKey)" + _ASSIGNED)),
    # G
    Kind("secret_google_key", "a Google API key", _after("AIza", "[A-Za-z0-9_-]{35}")),
    # learn.microsoft.com, "Configure Azure Storage connection strings": 64 bytes in base 64
    Kind("secret_azure_storage_key", "an Azure storage key", re.compile("AccountKey=(?P<key>[A-Za-z0-9+/]{86}==)"),
         keys.is_no_public_azure_key),
)  # fmt: skip
_TOKENS: Final = (
    # RFC 7519, and RFC 7515 §4.1.1: the header is JSON and names an algorithm
    Kind("secret_jwt", "a JSON web token",
         _after("eyJ", r"[A-Za-z0-9_-]{8,2000}+\.eyJ[A-Za-z0-9_-]{8,8000}+\.[A-Za-z0-9_-]{16,1400}+"),
         keys.has_token_header),
)  # fmt: skip
_URLS: Final = (
    # RFC 3986 §3.2.1
    Kind("secret_url_password", "a password in a URL",
         re.compile(r"://(?P<user>[^\s/?#:@\"'<>]{0,64}+):(?P<key>[^\s/?#@\"'<>]{3,128}+)@(?P<host>[A-Za-z0-9.-]{1,253}+)"),
         keys.is_real_password),
    # docs.slack.dev, "Sending messages using incoming webhooks"
    Kind("secret_slack_webhook", "a Slack webhook",
         re.compile(r"://hooks\.slack\.com/services/(?P<key>T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24})")),
)  # fmt: skip

# What a text must hold for one of a group to be in it. Each begins with a single rare character, to which the search
# runs ahead, and looks around from there: most texts are done after five quick looks.
_HINTS: Final = (
    (re.compile("_(?:(?<=gh[pousr]_)|(?<=pat_)|(?<=k_live_)|(?<=npm_)|(?<=hf_)|(?<=(?i:access)_)|(?<=tp_))"),
     _UNDERSCORED),
    (re.compile("-(?:(?<=sk-)|(?<=gl[a-z]{2}-)|(?<=gl[a-z]{3}-)|(?<=glsoat-)|(?<=xox[a-z]-)|(?<=pypi-)|----BEGIN )"),
     _HYPHENED),
    (re.compile(r"A(?:[KS]IA|Iza|ccessKey|ccountKey=)"), _CAPITAL),
    (re.compile(r"J(?<=eyJ)"), _TOKENS),
    (re.compile(r":(?=//)"), _URLS),
)  # fmt: skip
CODES: Final = {
    kind.code: (
        "warning",
        f"Characters {{start}} to {{end}} look like {kind.name}: a model can repeat what it learned.",
    )
    for _, kinds in _HINTS
    for kind in kinds
}


def spans(text: str) -> Iterator[Span]:
    """Every secret in a text; they may overlap."""
    for hint, kinds in _HINTS:
        if hint.search(text):
            for kind in kinds:
                for match in kind.pattern.finditer(text):
                    if kind.is_genuine(match):
                        yield Span(kind.code, *match.span("key"))
