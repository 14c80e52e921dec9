"""System prompts across examples: whether all have one, and whether it is the same one."""

from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec

# OURS, all three. What a model is taught under one prompt it shows less under another (openai.md §3.7 counts the
# examples without a system message for the same reason).
CODES: Final = {
    "system_prompt_missing": (
        "warning",
        "{without} of {examples} examples have no system prompt, the others have one; the first is line {line}.",
    ),
    "system_prompts_differ": (
        "warning",
        "{share} % of the system prompts are the same; {others} examples have other ones, the first is line {line}.",
    ),
    "system_prompt_near_miss": (
        "warning",
        "The system prompt of line {line} ({examples} examples) is that of line {other} but for spaces or upper case.",
    ),
}
DISTINCT_MAX: Final = 1_000
_SHOWN: Final = 20
_ONE_RULES: Final = 0.8  # from this share on, other prompts look like slips rather than like a choice


class Prompt(msgspec.Struct, array_like=True):
    """One system prompt: how many examples have it, the first line that does, and what is left of it when folded."""

    examples: int
    line: int
    folded: int


class Prompts(msgspec.Struct):
    """The system prompts of a segment or a file, by hash; only their number once there are too many."""

    examples: int = 0
    without: int = 0
    first_without: int | None = None
    seen: dict[int, Prompt] | None = msgspec.field(default_factory=dict)

    def add(self, line: int, system_text: str | None) -> None:
        """One more example; a blank prompt is none."""
        self.examples += 1
        if system_text is None or not system_text or system_text.isspace():
            self.without += 1
            self.first_without = line if self.first_without is None else self.first_without
            return
        if self.seen is None:
            return
        key = _hash(system_text)
        known = self.seen.get(key)
        if known is not None:
            known.examples += 1
        else:
            self._note(key, Prompt(1, line, _hash(" ".join(system_text.split()).casefold())))

    def join(self, later: "Prompts", lines_before: int) -> None:
        """Add what comes after this many lines."""
        self.examples += later.examples
        self.without += later.without
        if self.first_without is None and later.first_without is not None:
            self.first_without = later.first_without + lines_before
        if later.seen is None:
            self.seen = None
        for key, prompt in (later.seen or {}).items():
            if self.seen is None:
                return
            known = self.seen.get(key)
            if known is not None:
                known.examples += prompt.examples
            else:
                self._note(key, Prompt(prompt.examples, prompt.line + lines_before, prompt.folded))

    def _note(self, key: int, prompt: Prompt) -> None:
        assert self.seen is not None  # noqa: S101 - for mypy
        self.seen[key] = prompt
        if len(self.seen) > DISTINCT_MAX:
            self.seen = None

    def _ranked(self) -> list[Prompt]:
        """The most frequent first; of equals the one that comes first in the file."""
        return sorted((self.seen or {}).values(), key=lambda prompt: (-prompt.examples, prompt.line))

    def findings(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What is not the same in all examples."""
        if 0 < self.without < self.examples:
            facts = {"without": self.without, "examples": self.examples, "line": self.first_without}
            yield "system_prompt_missing", facts
        ranked = self._ranked()
        if len(ranked) > 1:
            with_one = self.examples - self.without
            share = ranked[0].examples / with_one
            if share >= _ONE_RULES:
                line = min(prompt.line for prompt in ranked[1:])
                others = with_one - ranked[0].examples
                yield "system_prompts_differ", {"share": int(100 * share), "others": others, "line": line}
        yield from self._near_misses(ranked)

    def _near_misses(self, ranked: list[Prompt]) -> Iterator[tuple[str, dict[str, Any]]]:
        alike: defaultdict[int, list[Prompt]] = defaultdict(list)
        for prompt in ranked:
            alike[prompt.folded].append(prompt)
        misses = [(prompt, kin[0]) for kin in alike.values() for prompt in kin[1:]]
        for prompt, usual in sorted(misses, key=lambda miss: miss[0].line)[:_SHOWN]:
            facts = {"examples": prompt.examples, "line": prompt.line, "other": usual.line}
            yield "system_prompt_near_miss", facts

    def as_json(self) -> dict[str, Any]:
        """Numbers only; `distinct` is none when there are more than a thousand."""
        return {
            "without": self.without,
            "distinct": None if self.seen is None else len(self.seen),
            "prompts": [{"examples": one.examples, "line": one.line} for one in self._ranked()[:_SHOWN]],
        }


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
