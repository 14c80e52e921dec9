"""What preparing a dataset promises outside."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.datasets.rules.states import PreparationState
from service.kit.bodies import Body

ColumnRef = Annotated[str, Field(min_length=1, max_length=200)] | Annotated[int, Field(ge=1, le=20_000)]


class ColumnsRequest(Body):
    """Which columns to take, by name or by number from 1: prompt and completion, or text and label."""

    prompt: ColumnRef | None = None
    completion: ColumnRef | None = None
    text: ColumnRef | None = Field(None, description="The same as `prompt`.")
    label: ColumnRef | None = Field(None, description="The same as `completion`.")

    @model_validator(mode="after")
    def _is_one_pair(self) -> "ColumnsRequest":
        if (self.prompt or self.completion) and (self.text or self.label):
            raise ValueError("give prompt and completion, or text and label")
        return self


class PrepareRequest(Body):
    """What a file is to be prepared for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"to": "chat", "columns": {"text": "text", "label": "category"}}]}
    )
    to: Literal["chat", "prompt_completion"] = Field("chat", description="The format of the examples.")
    columns: ColumnsRequest | None = Field(None, description="Told from their names unless given.")
    sheet: int | None = Field(None, ge=1, le=1_000, description="Of a workbook, from 1; the first unless given.")
    system: str | None = Field(
        None, min_length=1, max_length=20_000, description="A system message to begin every conversation with."
    )

    @model_validator(mode="after")
    def _has_a_place_for_system(self) -> "PrepareRequest":
        if self.system is not None and self.to != "chat":
            raise ValueError("only chat has a system message")
        return self

    def wish(self) -> dict[str, Any]:
        """As it is stored. Equal wishes are written equally."""
        asked = self.columns or ColumnsRequest()
        columns = {"prompt": asked.prompt or asked.text, "completion": asked.completion or asked.label}
        system = None if self.system is None else sha256(self.system.encode()).hexdigest()
        return {"to": self.to, "columns": columns, "sheet": self.sheet, "system_sha256": system}


class ApplyRequest(Body):
    """Which steps to take besides the necessary ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accept": ["remove_duplicates"]}]})
    accept: list[Annotated[str, Field(max_length=64)]] = Field(
        max_length=64, description="Ids of optional steps; none are taken that are not named."
    )


class SourceView(BaseModel):
    """What the file was found to be."""

    format: Literal["csv", "tsv", "xlsx", "txt", "json", "jsonl"]
    unit: Literal["line", "row", "item"] = Field(description="What the numbers in `first` count, from 1.")
    columns: list[str | None] = Field(description="Names in the first row, or keys; null for a name that is none.")
    sheets: list[str | None] = Field(description="Of a workbook.")
    sheet: int | None = Field(description="The one that is read, from 1.")


class ColumnsView(BaseModel):
    """Which columns become what, by number from 1."""

    prompt: int | None = Field(description="Null: there are only completions.")
    completion: int
    guessed: bool = Field(description="Nobody named them: have a look.")


class StepView(BaseModel):
    """What would be changed, and where."""

    id: str = Field(examples=["remove_duplicates"])
    kind: Literal["necessary", "optional"]
    message: str
    rows: int = Field(description="How many it changes or leaves out, by itself.")
    first: list[int] = Field(description="Where the first ten of them stand.")
    text: str | None = Field(description="What is added or removed.")
    characters: int | None


class NoteView(BaseModel):
    """What to know that no step changes."""

    code: str = Field(examples=["separator_repeated"])
    message: str
    first: list[int]


class MarkView(BaseModel):
    """How all texts end."""

    text: str | None = Field(description="Null where it is words of your own.")
    characters: int
    step: str | None = Field(description="The step that adds it; null: they end so already.")


class PreparationAdvice(BaseModel):
    """What to do with the dataset and the tuned model, as the legacy tool advised."""

    task: Literal["classification", "conditional", "open_ended"]
    classes: int | None = Field(description="Different completions of a classification.")
    positive_class: str | None = Field(description="Of two classes the more frequent, if it is a plain label.")
    validation_count: int | None = Field(description="How many to hold back: see `split` with `stratify_by`.")
    separator: MarkView | None = Field(description="What to end the prompt with when asking the model.")
    stop: MarkView | None = Field(description="What to stop the model at.")


class PreparationProblem(BaseModel):
    """Why the file cannot be prepared."""

    code: str = Field(examples=["columns_unclear"])
    message: str


class PreparationView(BaseModel):
    """What preparing a file would change. Nothing is made before it is applied."""

    object: Literal["dataset.preparation"] = "dataset.preparation"
    id: str
    dataset: str
    state: PreparationState = Field(description="`reading`, then `ready` or, for the reason in `problem`, `refused`.")
    to: Literal["chat", "prompt_completion"]
    system: str | None
    problem: PreparationProblem | None
    source: SourceView | None = Field(description="Null until it is ready, as is all below.")
    columns: ColumnsView | None
    rows: int | None
    examples: int | None = Field(description="Rows that have a completion.")
    steps: list[StepView] = Field(description="In the order they are taken.")
    notes: list[NoteView]
    advice: PreparationAdvice | None
    attention: str | None = Field(description="Why the platform team must look at it, if it must.")
    created_at: datetime
    created_by: str
