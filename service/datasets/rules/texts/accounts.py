"""Numbers of cards and bank accounts: how they are built and how they prove themselves."""

import re
from functools import lru_cache
from typing import Final

# Issuers' ranges and lengths: ISO/IEC 7812 numbers as the networks publish them. Maestro's are too wide to mean much.
_ISSUERS: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12}(?:[0-9]{3})?"  # Discover
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}(?:[0-9]{3})?"  # JCB
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}(?:[0-9]{2})?"  # Diners Club
    r"|62[0-9]{14}(?:[0-9]{3})?"  # UnionPay
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_GROUP_DIGITS_MIN: Final = 3
_CARD_DIGITS_MIN: Final = 13

# SWIFT, "IBAN Registry" (ISO 13616), release 99: how long an account number of each country is.
_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in (
            "15:NO", "16:BE", "18:DK FK FI FO GL NL SD", "19:MK SI", "20:AT BA EE KZ LT LU MN XK",
            "21:CH HR LI LV", "22:BG BH CR DE GB GE IE ME RS VA", "23:AE GI IL IQ OM SO TL",
            "24:AD CZ ES MD PK RO SA SE SK TN VG", "25:LY PT ST", "26:IS TR", "27:BI DJ FR GR IT MC MR SM",
            "28:AL AZ BY CY DO GT HN HU LB NI PL SV", "29:BR EG PS QA UA", "30:JO KW MU YE", "31:MT SC", "32:LC",
            "33:RU",
        )
    )
    for country in countries.split()
}  # fmt: skip


def card_length(written: str) -> int:
    """How much of digits in groups is a card's number: what follows it may be its date or its code. 0 if none is."""
    while len(written) >= _CARD_DIGITS_MIN:
        if _is_card(written):
            return len(written)
        written = written[: max(written.rfind(" "), written.rfind("-"), 0)]
    return 0


def _is_card(written: str) -> bool:
    """Whether 13 to 19 digits, perhaps in groups of three or more, are a card's: issuer, length and Luhn's checksum."""
    groups = re.split(r"[ -]", written)
    if len(set(re.findall(r"[ -]", written))) > 1 or min(map(len, groups)) < _GROUP_DIGITS_MIN:
        return False
    digits = "".join(groups)
    return len(set(digits)) > 1 and _ISSUERS.fullmatch(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def iban_at(text: str, start: int) -> str | None:
    """The account number that begins here, as it is written, or None: country, length and checksum must be right."""
    length = _IBAN_LENGTHS.get(text[start : start + 2])
    match = _of_length(length).match(text, start) if length else None
    return match[0] if match and _is_97(match[0].replace(" ", "")) else None


@lru_cache(maxsize=len(_IBAN_LENGTHS))
def _of_length(length: int) -> re.Pattern[str]:
    """So many letters and digits, in one piece or in groups."""
    return re.compile(rf"[A-Z0-9](?: ?[A-Z0-9]){{{length - 1}}}(?![A-Za-z0-9])")


def _is_97(iban: str) -> bool:
    """ISO 7064, MOD 97-10: the number with its head moved to the end and letters counting from ten leaves one."""
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1
