"""What every kind of file is read as."""

from typing import Final, NamedTuple

ROWS_MAX: Final = 5_000_000
"""A chat line is 84 bytes before its text, and the provider takes files of 512 MB (openai.md §1.4)."""


class Row(NamedTuple):
    """A prompt and a completion, and where they stand; without a completion where the row cannot be read."""

    place: int
    prompt: str
    completion: str | None


class Layout(NamedTuple):
    """How a file is laid out: whatever has to be known to read it the same way again."""

    format: str  # csv, tsv, xlsx, txt, json, jsonl
    delimiter: str = ""
    is_quoted: bool = True
    sheet: int = 0  # of a workbook, from 1

    @property
    def unit(self) -> str:
        """What `place` counts, from 1."""
        return {"xlsx": "row", "json": "item"}.get(self.format, "line")


class Chosen(NamedTuple):
    """The columns to read, from 0; without one for the prompt there are only answers."""

    prompt: int | None
    completion: int
