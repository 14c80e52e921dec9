"""How datasets are made of others, as it is promised outside."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, TypeAdapter

from service.datasets.rules.splits import Part


class SplitRecipe(BaseModel):
    """One of two parts of its parent."""

    kind: Literal["split"]
    part: Part
    seed: int
    fraction: str | None = Field(None, description="Share of the parent's examples that is for validation.")
    count: int | None = Field(None, description="Number of the parent's examples that are for validation.")
    stratify_by: Literal["answer"] | None = Field(None, description="Whose every value is cut in that proportion.")


class SubsetRecipe(BaseModel):
    """Some of its parent's examples."""

    kind: Literal["subset"]
    seed: int
    fraction: str | None = Field(None, description="Share of the parent's examples that is taken.")
    count: int | None = Field(None, description="Number of the parent's examples that are taken.")


class RecipeSource(BaseModel):
    """How the parent's file is laid out."""

    format: Literal["csv", "tsv", "xlsx", "txt", "json", "jsonl"]
    delimiter: str = Field(description="Between the columns of a table; empty where there is none.")
    is_quoted: bool
    sheet: int = Field(description="Of a workbook, from 1.")


class RecipeColumns(BaseModel):
    """Which columns become what, by number from 1."""

    prompt: int | None = Field(description="Null: there are only completions.")
    completion: int


class RecipeStep(BaseModel):
    """A step that was taken."""

    id: str
    text: str | None = Field(None, description="What was added or removed.")
    characters: int | None = None


class PrepareRecipe(BaseModel):
    """Examples made of a table, a document or flat objects: see `/v1/datasets/{dataset}/prepare`."""

    kind: Literal["prepare"]
    to: Literal["chat", "prompt_completion"]
    source: RecipeSource
    columns: RecipeColumns
    steps: list[RecipeStep] = Field(description="Necessary and accepted ones.")
    system: str | None = None


Recipe = Annotated[SplitRecipe | SubsetRecipe | PrepareRecipe, Field(discriminator="kind")]
"""How a dataset is made of its parent."""
RECIPE: Final[TypeAdapter[Recipe]] = TypeAdapter(Recipe)
