"""What the size of a dataset suggests, in words and numbers. No advice is a problem."""

from typing import Any, Final

from service.datasets.rules.problems import EXAMPLES_ADVISED, EXAMPLES_MIN, EXAMPLES_PROMISING

_HALVES_MIN: Final = 2 * EXAMPLES_ADVISED


def advice(examples: int) -> list[dict[str, Any]]:
    """What to do about so many examples (openai.md §3.6; legacy tool §4.2, 1: each doubling helps about as much)."""
    told = []
    if examples < EXAMPLES_MIN:
        missing = EXAMPLES_MIN - examples
        words = f"{missing} more are needed: no job takes fewer than {EXAMPLES_MIN} examples."
        told.append({"code": "reach_minimum", "message": words, "examples": EXAMPLES_MIN})
    if examples < EXAMPLES_PROMISING:
        words = (
            f"{EXAMPLES_ADVISED} to {EXAMPLES_PROMISING} well-made examples usually show whether training helps;"
            f" there are {examples}."
        )
        told.append({"code": "reach_advised", "message": words, "examples": EXAMPLES_PROMISING})
    if examples >= _HALVES_MIN:
        half, double = examples // 2, 2 * examples
        words = (
            f"Train on {half} of the {examples} examples and on all of them: what the second half gains is about what"
            f" {double} would gain again."
        )
        told.append({"code": "compare_halves", "message": words, "examples": half})
    return told
