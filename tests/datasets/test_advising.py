"""What the number of examples suggests."""

import pytest

from service.datasets.rules.advising import advice
from tests.datasets.chat import file_of, good, read


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        (3, [("reach_minimum", 10), ("reach_advised", 100)]),
        (10, [("reach_advised", 100)]),
        (99, [("reach_advised", 100)]),
        (100, [("compare_halves", 50)]),
        (10_003, [("compare_halves", 5001)]),
    ],
)
def test_each_size_has_its_advice(examples: int, told: list[tuple[str, int]]) -> None:
    assert [(one["code"], one["examples"]) for one in advice(examples)] == told


def test_the_report_carries_it_where_something_is_to_be_trained() -> None:
    assert [one["code"] for one in read(file_of(good(20))).advice] == ["reach_advised"]
    assert read(file_of(good(20)), trains=False).advice == []
    assert read(b"a,b\n1,2\n" * 20).advice == []
