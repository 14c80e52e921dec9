"""What the report on a dataset promises outside."""

from dataclasses import asdict
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, Field

from service.datasets.rules.problems import Problem, Severity
from service.datasets.rules.states import State
from service.kit import money


class Counting(StrEnum):
    """Whose way of counting tokens: the chat template, by which the provider bills, or OpenAI's cookbook notebook."""

    TEMPLATE = "template"
    NOTEBOOK = "notebook"


class ProblemView(BaseModel):
    """A broken rule, and where."""

    line: int | None = Field(description="Counts from 1; null is the file as a whole.")
    pointer: str = Field(description="RFC 6901, from the line's object.", examples=["/messages/2/tool_calls/0/id"])
    code: str = Field(examples=["unknown_role"])
    severity: Severity = Field(description="An `error` stops a job, a `warning` does not.")
    message: str

    @classmethod
    def of(cls, found: Problem, **more: str) -> Self:
        """As shown; `more` is what else a view of it has."""
        return cls(**asdict(found), **more)


class Spread(BaseModel):
    """How a number is spread over the examples; quantiles are interpolated."""

    total: int
    min: int
    p5: float
    median: float
    p95: float
    max: int
    mean: float


class Bucket(BaseModel):
    """One column of a histogram."""

    up_to: int | None = Field(description="The largest value that belongs here; null is without end.")
    examples: int


class CountedSpread(Spread):
    """A spread with its histogram."""

    histogram: list[Bucket] = []


class Estimated(BaseModel):
    """Tokens for which nobody has published a formula; they are part of the totals."""

    tools: int = Field(description="The declared tools, as compact JSON.")
    images: int = Field(description="At the price of low detail.")


class NotebookStatistics(BaseModel):
    """The same examples as OpenAI's notebook counts them: 3 more per example, no calls and no tools."""

    per_example: Spread | None
    assistant: Spread | None


class TokenStatistics(BaseModel):
    """Tokens per example under one encoding, uncut, as the chat template counts them."""

    encoding: str = Field(examples=["o200k_base"])
    exact: bool = Field(description="False where the encoding is approximated by another.")
    per_example: CountedSpread | None
    assistant: CountedSpread | None = Field(description="Text and calls of assistant messages: what is learned.")
    by_role: dict[str, int] = Field(
        default={}, description="All tokens of the messages of each role.", examples=[{"user": 900, "assistant": 2100}]
    )
    estimated: Estimated | None = None
    notebook: NotebookStatistics | None = Field(default=None, description="Only of chats.")


class TrainingPrice(BaseModel):
    """What training a base model on this dataset takes with the default number of epochs."""

    model: str = Field(examples=["gpt-4o-mini-2024-07-18"])
    encoding: str
    example_tokens_max: int = Field(description="Longer examples are cut to this.")
    truncated_examples: int | None = Field(description="How many are longer.")
    lost_tokens: int | None = Field(description="What is cut off all of them together, in one epoch.")
    epochs: int = Field(description="What a job takes unless it says otherwise.")
    tokens_per_epoch: int | None
    tokens: int | None = Field(description="Billed tokens: one epoch's times the epochs.")
    price: money.Amount | None = Field(description="At today's price. Null where it is unknown: see `unavailable`.")
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    price_id: str | None = Field(description="The row of the price book.")
    unavailable: str | None = Field(description="Why there is no price.")
    rough: bool = Field(default=False, description="True where a job would be billed otherwise, or cannot be made.")
    rough_because: str | None = Field(default=None, description="Why it is rough.")


class Again(BaseModel):
    """Examples that are there again."""

    examples: int = Field(description="How many are the same as an earlier one.")
    compared_share: float = Field(description="Below 1 where so many examples are compared by a sample.")


class NearlyAgain(BaseModel):
    """Examples that are nearly the same as an earlier one."""

    examples: int = Field(description="How many have words enough to be compared.")
    share: float = Field(description="Below 1 where so many are compared by a sample.")
    verified: int = Field(description="Pairs that looked alike and were read again, at most 2,000.")
    found: int = Field(description="Examples that are.")


class PromptView(BaseModel):
    """A system prompt, by where it stands."""

    examples: int
    line: int = Field(description="The first that has it.")


class LabelView(PromptView):
    """An answer that is a label."""

    label: str | None = Field(description="Null where it is rare or may not be shown.")


class AnswersView(BaseModel):
    """What the last answers are like."""

    answers: int
    refusals: int
    refusal_share: float
    labels: list[LabelView] = Field(description="Empty where answers are no labels. The most frequent first.")


class PromptsView(BaseModel):
    """The system prompts, compared."""

    without: int
    distinct: int | None = Field(description="Null for more than a thousand.")
    prompts: list[PromptView] = Field(description="The most frequent first.")


class LanguagesView(BaseModel):
    """Languages of a sample of the texts."""

    sample: int
    skipped: int = Field(description="Texts too short to tell.")
    shares: dict[str, float] = Field(examples=[{"en": 0.97, "fr": 0.03}])


class Advice(BaseModel):
    """What the number of examples suggests."""

    code: Literal["reach_minimum", "reach_advised", "compare_halves"]
    message: str
    examples: int = Field(description="The number it is about.")


class SharedLines(BaseModel):
    """The same example in both datasets."""

    line: int = Field(description="Of this dataset.")
    validation_line: int


class LeakageView(BaseModel):
    """Examples that are in this dataset and in the one to validate on: what they measure was learned by heart."""

    validation: str
    examples: int | None = Field(description="How many. Null where they cannot be compared: see `unavailable`.")
    exact: bool = Field(description="False where it is an estimate: one of the two has more than 65,536 examples.")
    lines: list[SharedLines] = Field(description="The first 50 that are known.")
    unavailable: str | None = None


class ReportView(BaseModel):
    """Everything reading the file has found. Problems are the first 50 of each code; the totals are exact."""

    object: Literal["dataset_report"] = "dataset_report"
    dataset: str
    state: State
    format: str
    lines: int
    examples: int | None
    errors: int
    warnings: int
    problems: list[ProblemView] = Field(description="By line, those of the whole file first.")
    problem_totals: dict[str, int] = Field(description="Code → how often.", examples=[{"unknown_role": 3}])
    without_system: int = Field(description="Examples without a system or developer message.")
    without_user: int = Field(description="Examples without a user message.")
    messages: Spread | None = Field(description="Messages per example.")
    tokens: list[TokenStatistics]
    advice: list[Advice] = []
    duplicates: Again | None = None
    near_duplicates: NearlyAgain | None = None
    answers: AnswersView | None = None
    system_prompts: PromptsView | None = None
    languages: LanguagesView | None = None
    default_epochs: int | None
    counting: Counting = Field(default=Counting.TEMPLATE, description="By which the `prices` are.")
    prices: list[TrainingPrice] = Field(
        description="By base model your team can train now, then those asked for; none for an invalid dataset."
    )
    leakage: LeakageView | None = Field(default=None, description="Where `validation` names a dataset.")
