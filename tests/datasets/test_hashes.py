"""Which examples are the same, in one file and in two."""

import random
import tracemalloc
from hashlib import blake2b

import numpy as np
import pytest

from service.datasets.rules import leakage, likeness
from service.datasets.rules.hashes import Hashes, Same
from service.datasets.rules.problems import Problem, Problems, problem
from tests.datasets.chat import file_of, good_errand, good_talk, line, read_all


def hashed(number: int) -> bytes:
    return blake2b(b"%d" % number, digest_size=8).digest()


def same(numbers: list[int], *, compared_max: int = 10**6, segments: int = 1) -> Same:
    made = Same(compared_max)
    size = -(-len(numbers) // segments)
    for start in range(0, len(numbers), size or 1):
        hashes = Hashes()
        for at, number in enumerate(numbers[start : start + size], 1):
            hashes.add(at, hashed(number))
        made.join(hashes, start)
    return made


@pytest.mark.parametrize("segments", [1, 3, 50])
def test_repeated_lines_name_the_first(segments: int) -> None:
    dice = random.Random(1)
    numbers = [dice.randrange(300) for _ in range(1000)]
    again, first = same(numbers, segments=segments).repeated()
    expected = [(at, numbers.index(number) + 1) for at, number in enumerate(numbers, 1) if number in numbers[: at - 1]]
    assert list(zip(again.tolist(), first.tolist(), strict=True)) == expected


@pytest.mark.parametrize("segments", [1, 7])
def test_of_too_many_a_share_is_compared_and_of_that_share_nothing_is_missed(segments: int) -> None:
    numbers = [*range(5000), *range(5000)]
    made = same(numbers, compared_max=3000, segments=segments)
    again, first = made.repeated()
    assert made.share == 0.25
    assert (again - first == 5000).all()
    small = [number for number in range(5000) if int.from_bytes(hashed(number), "little") < 1 << 62]
    assert first.tolist() == [number + 1 for number in small]


def test_pairs_that_are_the_same_are_no_near_ones() -> None:
    made = same([1, 2, 1, 3])
    assert list(made.different(iter([(1, 3), (1, 2), (2, 9)]))) == [(1, 2), (2, 9)]


def test_millions_of_examples_are_compared_in_little_memory() -> None:
    dice = np.random.default_rng(1)
    parts = [dice.integers(0, 2**64, 125_000, "u8") for _ in range(16)]
    tracemalloc.start()
    made = Same()
    for part in parts:
        part[:100] = parts[0][:100]
        lines = np.arange(1, len(part) + 1, dtype="<u4")
        made.join(Hashes(bytearray(part.tobytes()), bytearray(lines.tobytes())), 125_000)
    told: list[Problem] = []
    problems = Problems()
    assert likeness.repeated(made, problems, told.append)["examples"] == 1500
    leakage.sketch(made)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{peak / 1e6:.0f} MB for two million examples")
    assert peak < 150_000_000


def test_the_problems_of_lines_that_come_again_are_told_but_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "TOLD_PER_CODE", 10)
    told: list[Problem] = []
    problems = Problems()
    likeness.repeated(same([1] * 100), problems, told.append)
    assert told == [problem(at, "", "duplicate_example", first=1) for at in range(2, 12)]
    assert (problems.totals, problems.warnings) == ({"duplicate_example": 99}, 99)


def test_two_small_files_are_compared_exactly() -> None:
    leak = leakage.shared(leakage.sketch(same([5, 6, 7, 7, 8])), leakage.sketch(same([7, 1, 5, 2])))
    assert leak == (2, True, [(1, 3), (3, 1)])
    assert leakage.shared(leakage.sketch(same([])), leakage.sketch(same([1]))) == (0, True, [])


@pytest.mark.parametrize(("ours", "theirs", "common"), [(250_000, 250_000, 50_000), (250_000, 3_000, 1_500)])
def test_of_large_files_the_number_is_estimated(ours: int, theirs: int, common: int) -> None:
    one = same(list(range(ours)), segments=4)
    other = same([*range(common), *range(10**6, 10**6 + theirs - common)])
    leak = leakage.shared(leakage.sketch(one), leakage.sketch(other))
    assert not leak.is_exact
    error = 1 / len(leak.lines) ** 0.5  # relative, one standard error
    assert abs(leak.examples - common) < 4 * error * common
    assert all(here == there for here, there in leak.lines)
    assert len(leakage.sketch(one)) < 800_000


def test_one_conversation_in_both_files_is_told_by_its_lines() -> None:
    train = file_of([line(good_talk(n)) for n in range(60)])
    validation = file_of([line(good_errand(1)), b"", line(good_talk(41) | {"tools": None})])
    leak = leakage.shared(read_all(train).sketch, read_all(validation, trains=False).sketch)
    assert leak == (1, True, [(42, 3)])
