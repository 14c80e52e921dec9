"""Which version a key is served: the server's function, by the vectors of its guide and by comparison."""

from collections import Counter

import pytest

from service.registry import canary
from tests.registry.test_canary import SEED, vectors
from tuneplane_resolver.answers import Answer, Freshness, Question
from tuneplane_resolver.canary import choose

KEYS = 100_000
BODY = """{"name": "support-bot", "alias": "production", "model": "ft:one", "version": 1, "base_model": "base",
"seed": "s", "targets": [{"version": 1, "model": "ft:one", "base_model": "base", "weight": 9000},
{"version": 2, "model": "ft:two", "base_model": "newer", "weight": 1000, "fallback": "newer", "color": "blue"}]}"""


def served(weights: dict[int, int]) -> list[int]:
    return [choose("alias", f"user-{n}", weights) for n in range(KEYS)]


@pytest.mark.parametrize(
    "weights", [{1: 9900, 2: 100}, {1: 5000, 2: 5000}, {1: 7000, 2: 2000, 3: 1000}, {1: 10_000}, {1: 0, 2: 10_000}]
)
def test_the_split_is_within_one_percent_of_its_weights(weights: dict[int, int]) -> None:
    counted = Counter(served(weights))
    for version, weight in weights.items():
        assert counted[version] / KEYS == pytest.approx(weight / 10_000, abs=0.01)


def test_a_changed_weight_moves_only_the_keys_it_must() -> None:
    before, after = served({1: 9500, 2: 500}), served({1: 9000, 2: 1000})
    moved = [(was, now) for was, now in zip(before, after, strict=True) if was != now]
    assert set(moved) == {(1, 2)}
    assert len(moved) / KEYS == pytest.approx(0.05, abs=0.005)


def test_keys_of_one_alias_say_nothing_of_another() -> None:
    weights = {1: 9000, 2: 1000}
    both = sum(choose("a", f"{n}", weights) == choose("b", f"{n}", weights) == 2 for n in range(KEYS))
    assert both / KEYS == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize(("key", "targets", "version"), vectors())
def test_the_vectors_of_the_guide(key: str, targets: list[canary.Target], version: int) -> None:
    assert choose(SEED, key, {one.version: one.weight for one in targets}) == version


def test_an_answer_with_several_versions_is_split_by_key_and_without_one_is_the_stable() -> None:
    answer = Answer.read(BODY, etag=None, current_at=0, freshness=Freshness(30))
    question = Question("support-bot", "production")
    assert answer.resolution(question, None, 1).version == 1
    found = [answer.resolution(question, f"user-{n}", 1) for n in range(1000)]
    assert {(one.version, one.model, one.base_model, one.fallback) for one in found} == {
        (1, "ft:one", "base", None),
        (2, "ft:two", "newer", "newer"),
    }
    assert [one.version for one in found] == [choose("s", f"user-{n}", {1: 9000, 2: 1000}) for n in range(1000)]


def test_it_is_the_server_s_function() -> None:
    for weights in ({1: 9900, 2: 100}, {3: 5000, 4: 3000, 5: 2000}, {1: 0, 2: 10_000}):
        targets = [canary.Target(version, weight) for version, weight in weights.items()]
        for n in range(5000):
            assert choose("model_1/production", f"Zoë {n}", weights) == canary.choose(
                "model_1/production", f"Zoë {n}", targets
            )
