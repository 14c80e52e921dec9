"""Examples that are there again, exactly or nearly, in a whole file."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from service.datasets.rules.hashes import Same
from service.datasets.rules.problems import TOLD_PER_CODE, Problem, Problems, Tell, problem
from service.datasets.rules.texts import near
from service.datasets.rules.texts.near import Near

Verify = Callable[[int, int], float]
"""How similar two lines are, from 0 to 1 (`tally.similarity` of both): only the caller can read them again."""
VERIFIED_MAX: Final = 2_000  # pairs of lines
_CANDIDATES_MAX: Final = 400_000


def repeated(same: Same, problems: Problems, tell: Tell | None) -> dict[str, Any]:
    """Note every line that is the same as an earlier one; says how many there are."""
    again, first = same.repeated()
    for line, earlier in zip(again[:TOLD_PER_CODE].tolist(), first[:TOLD_PER_CODE].tolist(), strict=True):
        problems.add(problem(line, "", "duplicate_example", first=earlier), tell)
    if len(again) > TOLD_PER_CODE:
        problems.more("duplicate_example", len(again) - TOLD_PER_CODE)
    return {"examples": len(again), "compared_share": same.share}


def nearly_repeated(
    found: Near, same: Same, verify: Verify | None, problems: Problems, tell: Tell | None
) -> dict[str, Any]:
    """Note every line that is nearly the same as an earlier one, once; says how many pairs were looked at.

    Without `verify` none is. Candidates that share most come first, of which VERIFIED_MAX are looked at.
    """
    verified = 0
    nearly: dict[int, Problem] = {}
    for earlier, line in _candidates(found, same) if verify else ():
        if line in nearly:
            continue
        if verified == VERIFIED_MAX:
            break
        verified += 1
        similarity = verify(earlier, line) if verify else 0.0
        if similarity >= near.SIMILAR_MIN:
            facts = {"line": earlier, "similarity": int(100 * similarity)}
            nearly[line] = problem(line, "", "near_duplicate", **facts)
    for line in sorted(nearly):
        problems.add(nearly[line], tell)
    return {**found.as_json(), "verified": verified, "found": len(nearly)}


def _candidates(found: Near, same: Same) -> Iterator[tuple[int, int]]:
    return same.different(found.candidates(_CANDIDATES_MAX))
