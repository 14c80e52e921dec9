"""Where the strings of an example stand, whatever its format."""

from collections.abc import Iterator
from typing import Any, Final

from service.datasets.rules.problems import step

_PARTS: Final = (
    "messages", "tools", "input", "preferred_output", "non_preferred_output", "prompt", "completion",
)  # fmt: skip
_UNSAID: Final = frozenset({"role", "type", "id", "url"})


def strings_of(example: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(JSON pointer, string) of everything said in an example; images, ids and a grader's own keys are not."""
    for key in _PARTS:
        if key in example:
            yield from _inside(f"/{key}", example[key])


def _inside(at: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _UNSAID or not isinstance(inner, str):
                yield from _inside(at + step(key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _inside(f"{at}/{index}", inner)
