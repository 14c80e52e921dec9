"""What the answers are like across examples: refusals, and the balance of labels where they are labels."""

import re
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec

from service.datasets.rules.texts.facts import facts_of
from service.datasets.rules.texts.refusals import is_refusal

CODES: Final = {
    # OpenAI, fine-tuning guide, "Balance and diversity of data": 60 % refusals where 5 % are due teach too many (DOC)
    "many_refusals": (
        "warning",
        "{refusals} of {answers} answers ({share} %) are refusals, which the model learns. The first is line {line}.",
    ),
    "same_answer": ("warning", "All {answers} answers are the same: there is nothing to tell apart."),  # §4.2, 12
    # OURS
    "label_imbalance": (
        "warning",
        "The most frequent of {labels} labels has {most} examples, the rarest {least}: rare ones are hardly learned.",
    ),
    "rare_labels": ("warning", "{labels} labels occur only once, the first in line {line}: they may be slips."),
    "label_spelling": (
        "warning",
        "The label of line {line} ({examples} examples) is that of line {other} but for spaces, case or a last point.",
    ),
}
LABELS_MAX: Final = 100
LABEL_CHARS_MAX: Final = 64
EXAMPLES_PER_LABEL_MIN: Final = (
    3  # openai.md §4.1: fewer distinct completions than a third of the rows is classification
)
_REFUSED_MIN: Final = 0.2  # of all answers
_IMBALANCE: Final = 10
# A few words: what is longer is a sentence, and no report quotes one.
_NAMEABLE: Final = re.compile(rf"(?=.{{1,{LABEL_CHARS_MAX}}}\Z)[\w&'()+,./:;-]*(?: [\w&'()+,./:;-]*){{0,3}}")
_SPACES: Final = re.compile(r"[\s_]+")


class Label(msgspec.Struct, array_like=True):
    """How many answers are this one, and the first line of one."""

    examples: int
    line: int


class Answers(msgspec.Struct):
    """The last answers of a segment's or a file's examples; labels are none once they cannot be labels."""

    answers: int = 0
    refusals: int = 0
    first_refusal: int | None = None
    labels: dict[str, Label] | None = msgspec.field(default_factory=dict)

    def add(self, line: int, text: str, *, refused: bool = False) -> None:
        """One more answer; `refused` where its message says so itself (`refusal`)."""
        self.answers += 1
        if refused or is_refusal(text):
            self.refusals += 1
            self.first_refusal = line if self.first_refusal is None else self.first_refusal
        if self.labels is None:
            return
        if len(text) > LABEL_CHARS_MAX:
            self.labels = None
            return
        label = self.labels.get(text)
        if label is not None:
            label.examples += 1
        else:
            self._count(_name(text), Label(1, line))

    def join(self, later: "Answers", lines_before: int) -> None:
        """Add what comes after this many lines."""
        self.answers += later.answers
        self.refusals += later.refusals
        if self.first_refusal is None and later.first_refusal is not None:
            self.first_refusal = later.first_refusal + lines_before
        if later.labels is None:
            self.labels = None
        for name, label in (later.labels or {}).items():
            self._count(name, Label(label.examples, label.line + lines_before))

    def _count(self, name: str, label: Label) -> None:
        if self.labels is None:
            return
        known = self.labels.get(name)
        if known is not None:
            known.examples += label.examples
            return
        self.labels[name] = label
        if len(self.labels) > LABELS_MAX:
            self.labels = None

    def _ranked(self, examples: int) -> list[tuple[str, Label]]:
        """The labels, most frequent first; none where the answers are not labels."""
        if not self.labels or len(self.labels) * EXAMPLES_PER_LABEL_MIN >= examples:
            return []
        return sorted(self.labels.items(), key=lambda item: (-item[1].examples, item[1].line))

    def findings(self, examples: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """What is lopsided in a file of so many examples."""
        if self.refusals and self.refusals >= _REFUSED_MIN * self.answers:
            share = 100 * self.refusals // self.answers
            facts = {"refusals": self.refusals, "answers": self.answers, "share": share, "line": self.first_refusal}
            yield "many_refusals", facts
        ranked = self._ranked(examples)
        if len(ranked) == 1:
            yield "same_answer", {"answers": self.answers}
        elif ranked:
            yield from _balance([label for _, label in ranked])
            yield from _spellings(ranked)

    def as_json(self) -> dict[str, Any]:
        """Shares, and the labels with their frequencies; a rare one is not named, since it may be anybody's text."""
        return {
            "answers": self.answers,
            "refusals": self.refusals,
            "refusal_share": round(self.refusals / self.answers, 4) if self.answers else 0.0,
            "labels": [
                {"label": _shown(name, label), "examples": label.examples, "line": label.line}
                for name, label in self._ranked(self.answers)
            ],
        }


def _name(text: str) -> str:
    """The text where it may be shown as a label, else a hash: what is no label is not kept."""
    if _NAMEABLE.fullmatch(text) and not facts_of(text).findings:
        return text
    return "\x00" + blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _shown(name: str, label: Label) -> str | None:
    return None if name.startswith("\x00") or label.examples < EXAMPLES_PER_LABEL_MIN else name


def _balance(ranked: list[Label]) -> Iterator[tuple[str, dict[str, Any]]]:
    once = [label.line for label in ranked if label.examples == 1]
    if once:
        yield "rare_labels", {"labels": len(once), "line": min(once)}
    most, least = ranked[0].examples, min((label.examples for label in ranked if label.examples > 1), default=1)
    if most >= _IMBALANCE * least:
        yield "label_imbalance", {"labels": len(ranked), "most": most, "least": least}


def _spellings(ranked: list[tuple[str, Label]]) -> Iterator[tuple[str, dict[str, Any]]]:
    alike: defaultdict[str, list[Label]] = defaultdict(list)
    for name, label in ranked:
        if not name.startswith("\x00"):
            alike[_SPACES.sub(" ", name).strip(" .,:;").casefold()].append(label)
    for folded, kin in alike.items():
        for label in kin[1:] if folded else ():
            yield "label_spelling", {"line": label.line, "examples": label.examples, "other": kin[0].line}
