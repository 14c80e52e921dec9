"""What reading a training file found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from service.datasets.rules.problems import Problem, problem


@dataclass(frozen=True, slots=True)
class Limit:
    """An encoding and the most tokens an example may have for some base model; what is longer is cut off."""

    encoding: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Billing:
    """Tokens of one epoch under one limit, each example cut to it; what that loses, and the longest example uncut.

    `by_notebook` are billed tokens, truncated examples and lost tokens as OpenAI's notebook counts them.
    """

    encoding: str
    limit: int
    billed_tokens: int
    longest: int
    truncated_examples: int
    lost_tokens: int
    by_notebook: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything found. `examples` is none for a format that is refused; `problems` is capped, its totals are not.

    `texts` is what all texts together show, `sketch` what another dataset's is compared with (`leakage`).
    """

    format: str
    sha256: str
    lines: int
    examples: int | None
    errors: int
    warnings: int
    problems: Sequence[Problem]
    problem_totals: dict[str, int]
    without_system: int = 0
    without_user: int = 0
    messages: dict[str, int | float] | None = None
    tokens: Sequence[dict[str, Any]] = ()
    billing: Sequence[Billing] = ()
    texts: dict[str, Any] = field(default_factory=dict)
    advice: Sequence[dict[str, Any]] = ()
    sketch: bytes = b""

    @property
    def is_ready(self) -> bool:
        """Whether this file may be trained on."""
        return self.errors == 0

    def billing_json(self) -> list[dict[str, Any]]:
        """Billing as it is stored beside the dataset."""
        return [asdict(one) for one in self.billing]

    def as_json(self) -> dict[str, Any]:
        """The report as it is stored; what has columns of its own is left out."""
        return {
            "lines": self.lines,
            "problems": [asdict(one) for one in self.problems],
            "problem_totals": self.problem_totals,
            "without_system": self.without_system,
            "without_user": self.without_user,
            "messages": self.messages,
            "tokens": list(self.tokens),
            "advice": list(self.advice),
            **self.texts,
        }


def refusal(found: str, code: str) -> Report:
    """The report on what was never read, for this one reason."""
    return Report(
        format=found, sha256="", lines=0, examples=None, errors=1, warnings=0,
        problems=[problem(None, "", code)], problem_totals={code: 1},
    )  # fmt: skip
