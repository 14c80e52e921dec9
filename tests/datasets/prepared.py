"""Files prepared in memory, and what came of it."""

import csv
import io
import json
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from service.datasets.rules.preparing import CannotBePrepared, Wish, examine, prepared, recipe_of
from service.datasets.rules.preparing.steps import NECESSARY

PC = "prompt_completion"
Pairs = Sequence[tuple[str, str]]


def table(pairs: Pairs, header: Sequence[str] = ("prompt", "completion")) -> bytes:
    kept = io.StringIO()
    csv.writer(kept).writerows([header, *pairs])
    return kept.getvalue().encode()


def findings(content: bytes, *, to: str = PC, filename: str = "x.csv", **wish: Any) -> dict[str, Any]:
    return examine(lambda: [content], filename, Wish(to, **wish)).as_json()


def made(
    content: bytes, *, to: str = PC, accept: Collection[str] | None = None, system: str | None = None, **how: Any
) -> list[Any]:
    """What the accepted steps make; without any named, all of them."""
    found = findings(content, to=to, **how)
    names = [step["id"] for step in found["steps"]] if accept is None else accept
    recipe = recipe_of(found, to=to, system_sha256=None, accept=names)
    return [json.loads(line) for line in prepared(recipe, lambda: [content], system=system)]


def pairs_made(content: bytes, accept: Collection[str], **how: Any) -> list[tuple[str, str]]:
    return [(one["prompt"], one["completion"]) for one in made(content, accept=accept, **how)]


def optional(content: bytes, **how: Any) -> dict[str, dict[str, Any]]:
    return {step["id"]: step for step in findings(content, **how)["steps"] if step["kind"] != NECESSARY}


def code_of(content: bytes, **how: Any) -> str:
    with pytest.raises(CannotBePrepared) as raised:
        findings(content, **how)
    return raised.value.code


# Different prompts and completions, with no beginning or end in common.
UNLIKE = [("x 0", "0 y"), ("z 1", "1 w"), ("q 2", "2 p"), ("m 3", "3 n")]
