"""What the texts of a segment's examples say together: likenesses, answers, system prompts, languages."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field

from service.datasets.rules.counting import Pieces, Said
from service.datasets.rules.texts import near
from service.datasets.rules.texts.answers import Answers
from service.datasets.rules.texts.languages import Languages
from service.datasets.rules.texts.near import Near
from service.datasets.rules.texts.prompts import Prompts

_CONVERSATION: Final = frozenset({"user", "assistant", "prompt", "completion"})


def conversation(pieces: Pieces) -> str:
    """What two people say to each other: no system prompt and no tools, which many examples have in common."""
    return "\n".join([text for said in pieces.said if said.role in _CONVERSATION for text in said.texts])


class Words(Struct):
    """What the texts of a segment say, or those of a file."""

    near: Near = field(default_factory=Near)
    answers: Answers = field(default_factory=Answers)
    prompts: Prompts = field(default_factory=Prompts)
    languages: Languages = field(default_factory=Languages)

    def add(self, line: int, pieces: Pieces) -> None:
        """One more example."""
        spoken = conversation(pieces)
        self.languages.add(line, spoken)
        if pieces.framed:
            self.prompts.add(line, pieces.system())
        answer = pieces.answer()
        if answer is not None:
            self.near.add(line, near.signature(spoken))  # questions alone are often made from one template
            self._add_answer(line, answer)

    def _add_answer(self, line: int, answer: Said) -> None:
        text, refused = "\n".join(answer.texts), bool(answer.others)
        if text or refused:  # a call alone is no answer to compare
            self.answers.add(line, text, refused=refused)

    def settle(self) -> None:
        """The segment is at its end."""
        self.languages.settle()

    def join(self, later: "Words", lines_before: int) -> None:
        """Take in the segment that comes next."""
        self.near.join(later.near, lines_before)
        self.answers.join(later.answers, lines_before)
        self.prompts.join(later.prompts, lines_before)
        self.languages.join(later.languages, lines_before)

    def findings(self, examples: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """(code, facts) of what only all examples together show."""
        yield from self.prompts.findings()
        yield from self.answers.findings(examples)
        yield from self.languages.findings()
