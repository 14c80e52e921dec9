"""Preparing: a table, a document or flat objects become examples, by steps that are shown before they are taken.

What the legacy `openai tools fine_tunes.prepare_data` did (openai.md §4), as steps that one can see and choose. Two
passes in bounded memory: `examine` reads the file once and says what each step would change; `prepared` writes what
the accepted steps make of it. A file is opened by `read`, as often as needed; nothing of its text is kept but the
names of its columns and sheets.
"""

from service.datasets.rules.preparing.columns import Columns
from service.datasets.rules.preparing.examining import Findings, Wish, examine
from service.datasets.rules.preparing.refusals import CannotBePrepared
from service.datasets.rules.preparing.steps import Step, UnknownStep, recipe_of
from service.datasets.rules.preparing.writing import prepared

__all__ = [
    "CannotBePrepared",
    "Columns",
    "Findings",
    "Step",
    "UnknownStep",
    "Wish",
    "examine",
    "prepared",
    "recipe_of",
]
