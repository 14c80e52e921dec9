"""Texts that go into a CSV, safe to open in a spreadsheet."""

from typing import Final

# What begins a formula, and its full-width twins (U+FF1D …) that some spreadsheets take for the same.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def guarded(cell: str) -> str:
    """Text as a spreadsheet shows it but never runs it: whatever could begin a formula gets an apostrophe before it.

    The list is OWASP's ("CSV Injection").
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
