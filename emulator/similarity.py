"""How alike two texts are, 0 to 1: the metrics of text_similarity graders (§1.8), by the standard library alone.

Words are split at white space, case does not count. fuzzy_match is difflib's ratio (OpenAI uses rapidfuzz, whose
figures differ slightly); bleu is that of one sentence, up to 4-grams, with add-one smoothing above unigrams.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import partial

Words = list[str]


def fuzzy_match(said: str, wanted: str) -> float:
    return SequenceMatcher(None, said.lower(), wanted.lower(), autojunk=False).ratio()


def _grams(words: Words, size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[index : index + size]) for index in range(len(words) - size + 1))


def _overlap(said: Words, wanted: Words, size: int) -> tuple[int, int, int]:
    """(shared n-grams, those of `said`, those of `wanted`)."""
    ours, theirs = _grams(said, size), _grams(wanted, size)
    return (ours & theirs).total(), ours.total(), theirs.total()


def bleu(said: Words, wanted: Words) -> float:
    shared, total, _ = _overlap(said, wanted, 1)
    if not shared:
        return 0.0
    precisions = [shared / total]
    for size in range(2, 5):
        shared, total, _ = _overlap(said, wanted, size)
        precisions.append((shared + 1) / (total + 1))
    brevity = min(0.0, 1 - len(wanted) / len(said))
    return math.exp(brevity + sum(map(math.log, precisions)) / 4)


def gleu(said: Words, wanted: Words) -> float:
    """The smaller of precision and recall over all n-grams up to 4."""
    counts = [_overlap(said, wanted, size) for size in range(1, 5)]
    shared, ours, theirs = (sum(column) for column in zip(*counts, strict=True))
    return shared / max(ours, theirs) if shared else 0.0


def rouge(said: Words, wanted: Words, *, size: int) -> float:
    """F1 of shared n-grams."""
    shared, ours, theirs = _overlap(said, wanted, size)
    return 2 * shared / (ours + theirs) if shared else 0.0


def rouge_l(said: Words, wanted: Words) -> float:
    """F1 of the longest common subsequence."""
    lengths = [0] * (len(wanted) + 1)
    for word in said:
        before = 0
        for index, other in enumerate(wanted, 1):
            before, lengths[index] = (
                lengths[index],
                before + 1 if word == other else max(lengths[index], lengths[index - 1]),
            )
    return 2 * lengths[-1] / (len(said) + len(wanted)) if lengths[-1] else 0.0


def _by_words(metric: Callable[[Words, Words], float]) -> Callable[[str, str], float]:
    return lambda said, wanted: metric(said.lower().split(), wanted.lower().split())


METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": _by_words(bleu),
    "gleu": _by_words(gleu),
    **{f"rouge_{size}": _by_words(partial(rouge, size=size)) for size in range(1, 6)},
    "rouge_l": _by_words(rouge_l),
}
