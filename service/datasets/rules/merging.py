"""The report of a file, out of what was found in its segments."""

from collections.abc import Iterable
from typing import Any

from service.datasets.rules import formats, leakage, likeness
from service.datasets.rules.advising import advice
from service.datasets.rules.hashes import Same
from service.datasets.rules.likeness import Verify
from service.datasets.rules.partial import Counts, Partial, Question
from service.datasets.rules.problems import EXAMPLES_ADVISED, EXAMPLES_MIN, IMAGE_EXAMPLES_MAX, Tell, problem
from service.datasets.rules.report import Billing, Limit, Report
from service.datasets.rules.tally import SHAPES


def merge(
    question: Question,
    partials: Iterable[Partial],
    *,
    verify: Verify | None = None,
    on_problem: Tell | None = None,
) -> Report:
    """The report on a file out of its segments, in their order; they are taken one by one and may come from a store.

    `verify` reads two lines again, to see whether they are as similar as they seem; without it no likenesses are found.
    `on_problem` is told what only the whole file shows. The report's `sha256` is for the caller to fill in.
    """
    whole = _Whole(question, on_problem)
    for partial in partials:
        whole.join(partial)
    whole.conclude()
    texts = whole.conclude_texts(verify) if question.deep and whole.is_read else {}
    return whole.report(texts)


class _Whole:
    """A file, as far as its segments were joined."""

    def __init__(self, question: Question, tell: Tell | None) -> None:
        self._question, self._tell = question, tell
        self.is_read = question.format.name in SHAPES
        self._is_complete = True
        self._found = Partial()
        self._same = Same()
        for limit in question.limits:
            self._found.counts[limit.encoding] = Counts()

    def join(self, partial: Partial) -> None:
        before = self._found.lines
        self._same.join(partial.hashes, before)
        self._found.join(partial)
        if partial.stopped:
            self._is_complete = False
            unread = partial.lines - partial.stopped
            line = before + partial.stopped
            self._say("too_many_errors", line=line, errors=partial.problems.errors, unread=unread)

    def conclude(self) -> None:
        """Say what only the end of a file shows."""
        examples = self._found.examples
        found = self._question.format
        if not self.is_read:
            self._say("unsupported_format", found=found.words, chat=formats.CHAT_EXAMPLE, advice=found.advice)
        elif not self._is_complete:
            return
        elif not examples:
            self._say("empty_file")
        elif self._found.image_examples > IMAGE_EXAMPLES_MAX:
            self._say("too_many_image_examples", examples=self._found.image_examples)
        elif self._question.trains and examples < EXAMPLES_MIN:
            self._say("too_few_examples", examples=examples)
        elif self._question.trains and examples < EXAMPLES_ADVISED:
            self._say("few_examples", examples=examples)

    def conclude_texts(self, verify: Verify | None) -> dict[str, Any]:
        """Say what only all texts together show; what there is to report of them."""
        found, words = self._found, self._found.words
        told = {
            "duplicates": likeness.repeated(self._same, found.problems, self._tell),
            "near_duplicates": likeness.nearly_repeated(words.near, self._same, verify, found.problems, self._tell),
            "answers": words.answers.as_json(),
            "system_prompts": words.prompts.as_json(),
            "languages": words.languages.as_json(),
        }
        for code, facts in words.findings(found.examples):
            self._say(code, **facts)
        return told

    def _say(self, code: str, /, **facts: Any) -> None:
        self._found.problems.add(problem(None, "", code, **facts), self._tell)

    def report(self, texts: dict[str, Any]) -> Report:
        """Everything found, the file's own problems first."""
        found = self._found
        counted = found.counts if self.is_read else {}
        return Report(
            format=self._question.format.name,
            sha256="",
            lines=found.lines,
            examples=found.examples if self.is_read else None,
            errors=found.problems.errors,
            warnings=found.problems.warnings,
            problems=sorted(found.problems.kept, key=lambda one: one.line or 0),
            problem_totals=dict(sorted(found.problems.totals.items())),
            without_system=found.without_system,
            without_user=found.without_user,
            messages=found.messages.as_json(),
            tokens=[self._tokens(encoding, counts) for encoding, counts in counted.items()],
            texts=texts,
            advice=advice(found.examples) if self.is_read and self._question.trains else [],
            sketch=leakage.sketch(self._same) if texts else b"",
            billing=[self._billing(limit) for limit in self._question.limits if limit.encoding in counted],
        )

    def _tokens(self, encoding: str, counts: Counts) -> dict[str, Any]:
        by_notebook = {"per_example": counts.notebook.as_json(), "assistant": counts.notebook_learned.as_json()}
        return {
            "encoding": encoding,
            "exact": encoding not in self._question.approximate,
            "per_example": counts.tokens.with_histogram(),
            "assistant": counts.learned.with_histogram(),
            "by_role": dict(sorted(counts.roles.items())),
            "estimated": {"tools": counts.tools, "images": counts.images},
            "notebook": by_notebook if self._question.format.name == formats.CHAT else None,
        }

    def _billing(self, limit: Limit) -> Billing:
        counts = self._found.counts[limit.encoding]
        billed, truncated, lost = counts.tokens.capped(limit.tokens)
        is_chat = self._question.format.name == formats.CHAT
        by_notebook = counts.notebook.capped(limit.tokens) if is_chat else None
        return Billing(limit.encoding, limit.tokens, billed, counts.tokens.longest, truncated, lost, by_notebook)
