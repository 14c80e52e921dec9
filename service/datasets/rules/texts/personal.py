"""Personal data with a form that can be checked: addresses, cards, accounts, phone and social security numbers.

Names and street addresses have none and are not looked for, nor are IP addresses, which in practice are machines'.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from service.datasets.rules.texts import accounts
from service.datasets.rules.texts.spans import Span

_KINDS: Final = {
    "personal_email": "an e-mail address",
    "personal_card": "a payment card number",
    "personal_iban": "a bank account number",
    "personal_phone": "a phone number",
    "personal_ssn": "a US social security number",
}
CODES: Final = {
    code: ("warning", f"Characters {{start}} to {{end}} look like {name}: a model can repeat what it learned.")
    for code, name in _KINDS.items()
}

# RFC 5321 §4.5.3.1: 64 characters before the @, labels of 63. What is called follows a dot: `q@k.transpose(1)`.
_AT_DOMAIN: Final = re.compile(
    r"@(?P<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}+)(?![A-Za-z0-9_(\[@-])"
)
_LOCAL_BACKWARDS: Final = re.compile(r"[A-Za-z0-9_+-](?:\.?[A-Za-z0-9_%+'-]){0,63}+(?![A-Za-z0-9_.%+@-])")
# RFC 2606 and RFC 6761: domains that are nobody's; RFC 6762: a machine on the desk. Then icon@2x.png and lib@1.2.x-rc.
_NOBODY: Final = re.compile(
    r"(?:.*\.)?example(?:\.(?:com|net|org))?|.*\.(?:invalid|test|localhost|local)|[0-9.]+x\.[a-z]+|[0-9]+\.[0-9].*",
    re.IGNORECASE,
)
_NO_PERSON: Final = frozenset({"git", "noreply", "no-reply", "donotreply"})

# What all that is made of digits has in common: four pairs, perhaps in groups. Only around such a run is looked closer.
_RUN: Final = re.compile(r"[0-9]{2}(?:[ -]?[0-9A-Z]{2}){3}[0-9A-Z -]*+")
_AROUND: Final = 2  # an account begins with two letters, and what touches a number decides whether it is one
_ACCOUNT_RUN_MIN: Final = 13  # the shortest card; the shortest account number without its country
_CARD: Final = re.compile(r"(?<![A-Za-z0-9_.+-])[2-6][0-9]{3}(?:[ -]?[0-9]){9,15}(?![A-Za-z0-9_]|[.-][0-9])")
_IBAN_HEAD: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?= ?[A-Z0-9]{4})")
# SSA, "Social Security Number Randomization": 000, 666 and 9xx are not issued, nor the groups 00 and 0000.
_SSN: Final = re.compile(
    r"(?<![A-Za-z0-9_.-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![A-Za-z0-9_]|[.-][0-9])"
)
_NOBODYS_SSN: Final = frozenset({"078-05-1120", "219-09-9999"})  # SSA: printed in advertisements

_PHONE: Final = re.compile(r"\+[0-9(](?:[ ().-]{0,2}[0-9]){6,14}+(?![0-9])")
_PHONES_LOOKED_UP_MAX: Final = 1_000


def spans(text: str) -> list[Span]:
    """Every piece of personal data in a text; they may overlap."""
    found: list[Span] = []
    if "@" in text:
        found += _emails(text)
    if "+" in text:
        found += _phones(text)
    for run in _RUN.finditer(text):
        start, end = run.span()
        around = max(0, start - _AROUND), end + _AROUND
        if end - start >= _ACCOUNT_RUN_MIN:
            found += _cards_and_accounts(text, *around)
        if "-" in run[0]:
            found += _social_security_numbers(text, *around)
    return found


def _emails(text: str) -> Iterator[Span]:
    for match in _AT_DOMAIN.finditer(text):
        at = match.start()
        local = _LOCAL_BACKWARDS.match(text[max(0, at - 66) : at][::-1])
        if local and local[0][::-1].lower() not in _NO_PERSON and not _NOBODY.fullmatch(match["domain"]):
            yield Span("personal_email", at - local.end(), match.end())


def _cards_and_accounts(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _CARD.finditer(text, start, end):
        length = accounts.card_length(match[0])
        if length:
            yield Span("personal_card", match.start(), match.start() + length)
    for head in _IBAN_HEAD.finditer(text, start, end):
        whole = accounts.iban_at(text, head.start())
        if whole:
            yield Span("personal_iban", head.start(), head.start() + len(whole))


def _social_security_numbers(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _SSN.finditer(text, start, end):
        if match[0] not in _NOBODYS_SSN:
            yield Span("personal_ssn", *match.span())


def _phones(text: str) -> Iterator[Span]:
    """International numbers. Looking one up is slow: after so many in one text the form alone decides."""
    for number, match in enumerate(_PHONE.finditer(text)):
        if number >= _PHONES_LOOKED_UP_MAX or _is_phone(match[0]):
            yield Span("personal_phone", *match.span())


@lru_cache(maxsize=4096)
def _is_phone(number: str) -> bool:
    """Whether such a number can be dialled: libphonenumber's metadata of all countries."""
    import phonenumbers  # noqa: PLC0415 - a tenth of a second, and most files never need it

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False
