"""Showing a text without what must not be shown."""

from collections.abc import Iterable
from typing import Final

_CONFIDENTIAL: Final = ("secret_", "personal_")


def mask(text: str, findings: Iterable[tuple[str, int, int]]) -> str:
    """The text with each secret and each piece of personal data replaced by what it is: `\u2039email\u203a`.

    Findings may overlap and come in any order. Special tokens are no secret and stay to be seen.
    """
    shown, done = [], 0
    for code, start, end in sorted(findings, key=lambda finding: finding[1:]):
        if not code.startswith(_CONFIDENTIAL) or end <= done:
            continue
        if start >= done:
            shown += [text[done:start], f"\u2039{code.partition('_')[2].replace('_', ' ')}\u203a"]
        done = end
    return "".join(shown) + text[done:]
