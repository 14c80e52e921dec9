"""What datasets promise outside."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.datasets.recipe_schemas import Recipe
from service.datasets.rules.problems import Problem, Severity
from service.datasets.rules.splits import SEED_MAX
from service.datasets.rules.states import State
from service.kit import money
from service.kit.bodies import Body


class Progress(BaseModel):
    """How far the reading of a file has come. It begins again where a worker died."""

    bytes: int
    lines: int
    seconds_left: int | None = Field(description="At the speed so far; null until something was read.")


class DatasetView(BaseModel):
    """A training file and whether it may be trained on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "dataset",
                    "id": "dset_01m7w74m4ve4esgepz92mvfgnz",
                    "name": "support",
                    "filename": "support.jsonl",
                    "bytes": 326778,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "state": "ready",
                    "format": "chat",
                    "examples": 449,
                    "errors": 0,
                    "warnings": 2,
                    "progress": None,
                    "attention": None,
                    "parent": None,
                    "recipe": None,
                    "created_at": "2026-11-20T10:00:00Z",
                    "created_by": "key_01m7w8t99cefnrk84f576v5h3w",
                    "validated_at": "2026-11-20T10:00:01Z",
                }
            ]
        }
    )
    object: Literal["dataset"] = "dataset"
    id: str
    name: str = Field(description="For people; the filename's stem unless given.")
    filename: str
    bytes: int | None = Field(description="Null while a part of another dataset is still to be made.")
    sha256: str | None = Field(description="Of the bytes as stored. The same bytes posted twice are one dataset.")
    state: State = Field(description="`received`, `validating`, then `ready` or, with errors in the report, `invalid`.")
    format: str | None = Field(
        description="What the file was found to be; trained on are `chat`, `preference` and `reinforcement`."
    )
    examples: int | None = Field(description="Lines that are not empty; null for a format that is refused.")
    errors: int | None = Field(description="Problems that stop a job.")
    warnings: int | None = Field(description="Problems that do not.")
    progress: Progress | None = Field(description="While it is `validating`.")
    attention: str | None = Field(description="Why the platform team must look at it, if it must.")
    parent: str | None = Field(description="The dataset it is a part of.")
    recipe: Recipe | None = Field(description="How it is made of its parent.")
    created_at: datetime
    created_by: str = Field(description="The key that posted it.")
    validated_at: datetime | None


class SplitRequest(Body):
    """How to cut a dataset in two: name the fraction or the count."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"validation_fraction": "0.1", "seed": 7}]})
    validation_fraction: Decimal | None = Field(
        None, gt=0, lt=1, max_digits=6, decimal_places=6, description="Share of the examples that is for validation."
    )
    validation_count: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Number of the examples that are for validation."
    )
    seed: int = Field(0, ge=0, le=SEED_MAX, description="Another seed, another choice; the same one, the same.")
    stratify_by: Literal["answer", "label"] | None = Field(
        None,
        description="Cut all examples of the same `answer` in this proportion, to within one of each: the last text of "
        "the assistant, or the completion. In a dataset prepared from a table that is its `label`: both are the same.",
    )

    @model_validator(mode="after")
    def _names_one(self) -> "SplitRequest":
        if (self.validation_fraction is None) == (self.validation_count is None):
            raise ValueError("give either validation_fraction or validation_count")
        return self


class SubsetRequest(Body):
    """How much of a dataset to take: name the fraction or the count."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"fraction": "0.5", "seed": 7}]})
    fraction: Decimal | None = Field(
        None, gt=0, lt=1, max_digits=6, decimal_places=6, description="Share of the examples that is taken."
    )
    count: int | None = Field(None, ge=1, le=2**31 - 1, description="Number of the examples that are taken.")
    seed: int = Field(0, ge=0, le=SEED_MAX, description="With the same one, a smaller subset lies within a larger.")

    @model_validator(mode="after")
    def _names_one(self) -> "SubsetRequest":
        if (self.fraction is None) == (self.count is None):
            raise ValueError("give either fraction or count")
        return self


class SplitView(BaseModel):
    """The two parts of a dataset; each is made and checked by a worker, and then is a dataset like any other."""

    object: Literal["dataset.split"] = "dataset.split"
    train: DatasetView
    validation: DatasetView


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
    prices: list[TrainingPrice] = Field(
        description="By base model your team can train now; none for an invalid dataset."
    )
