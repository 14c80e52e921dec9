"""What a request body may hold, where it may hold anything."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.kit.bodies import Body


class Free(Body):
    """A body that takes anything."""

    value: Any


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\x00b", r"U\+0000"),
        ({"\x00": 1}, r"U\+0000"),
        ([{"stop": "\ud800"}], r"U\+D800"),
        ({"\udfff": 1}, r"U\+DFFF"),
        ([float("nan"), 1], "finite"),
        ({"p": float("-inf")}, "finite"),
        (nested(101), "nested"),
        ({"x": nested(400)}, "nested"),
        (nested(50_000), "nested"),
    ],
)
def test_what_could_not_be_stored_or_read_back_is_refused(value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Free(value=value)


@pytest.mark.parametrize("value", [None, "👩‍🚀", 1e308, 10**40, nested(100), {"a": [{"b": "ü"}]}])
def test_whatever_else_is_json_is_taken(value: Any) -> None:
    assert Free(value=value).value == value
