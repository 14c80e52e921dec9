"""The split of an alias: true to its weights, the same for a key, and moved no more than it must."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.registry.canary import WEIGHTS_SUM, Target, choose

SEED: Final = "model_01m7w74m4ve4esgepz92mvfgnz/production"
KEYS: Final = 100_000
GUIDE: Final = Path(__file__).parents[2] / "docs/registry.md"


def split(*weights: int) -> list[Target]:
    return [Target(number, weight) for number, weight in enumerate(weights, start=1)]


def vectors() -> list[tuple[str, list[Target], int]]:
    """What the guide says, line by line: a key, the targets, and the version it is served."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in GUIDE.read_text().partition("Vectors")[2].splitlines()
        if line.startswith("|")
    ]
    splits = [[Target(*map(int, one)) for one in re.findall(r"(\d+): (\d+)", head)] for head in rows[0][1:]]
    return [
        (key.strip("`"), targets, int(version))
        for key, *served in rows[2:]
        for targets, version in zip(splits, served, strict=True)
    ]


def test_the_guide_s_vectors_hold() -> None:
    found = vectors()
    assert len(found) == 30
    assert {version for _, _, version in found} == {2, 3, 4}
    for key, targets, version in found:
        assert choose(SEED, key, targets) == version, key


@pytest.mark.parametrize("weights", [(9_000, 1_000), (9_900, 100), (5_000, 5_000), (6_000, 3_000, 1_000)])
def test_every_version_gets_its_weight_within_one_percent_of_the_keys(weights: tuple[int, ...]) -> None:
    served = Counter(choose(SEED, f"user-{n}", split(*weights)) for n in range(KEYS))
    for version, weight in split(*weights):
        assert abs(served[version] / KEYS - weight / WEIGHTS_SUM) < 0.01


def test_of_two_versions_exactly_the_difference_moves() -> None:
    moves = Counter(
        (choose(SEED, f"user-{n}", split(9_000, 1_000)), choose(SEED, f"user-{n}", split(8_000, 2_000)))
        for n in range(KEYS)
    )
    assert moves[2, 1] == 0
    assert moves[1, 2] / KEYS == pytest.approx(0.1, abs=0.01)


WEIGHTS: Final = st.lists(st.integers(0, WEIGHTS_SUM), min_size=4, max_size=4).filter(any)


@given(before=WEIGHTS, after=WEIGHTS, key=st.text())
def test_a_key_moves_only_from_what_has_shrunk_or_to_what_has_grown(
    before: list[int], after: list[int], key: str
) -> None:
    left, came = choose(SEED, key, split(*before)), choose(SEED, key, split(*after))
    if left != came:
        grown = {number for number, (old, new) in enumerate(zip(before, after, strict=True), 1) if new > old}
        shrunk = {number for number, (old, new) in enumerate(zip(before, after, strict=True), 1) if new < old}
        assert came in grown or left in shrunk


@given(key=st.text(), order=st.permutations(split(6_000, 3_000, 1_000, 0)))
def test_neither_the_order_of_the_targets_nor_another_alias_s_split_matters(key: str, order: list[Target]) -> None:
    assert choose(SEED, key, order) == choose(SEED, key, split(6_000, 3_000, 1_000))
    assert choose(SEED, key, order) != 4


def test_aliases_split_the_same_keys_independently() -> None:
    halves = split(5_000, 5_000)
    same = sum(choose(SEED, f"{n}", halves) == choose(f"{SEED}2", f"{n}", halves) for n in range(10_000))
    assert same / 10_000 == pytest.approx(0.5, abs=0.03)
