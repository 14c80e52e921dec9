"""What is promised to those who read in a dataset: its examples, and all its problems."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from service.datasets.schemas.report import ProblemView

_PROBLEM: Final[JsonDict] = {
    "line": 100,
    "pointer": "/messages/0/content",
    "code": "personal_email",
    "severity": "warning",
    "message": "Characters 14 to 33 look like an e-mail address: a model can repeat what it learned.",
}
_EXAMPLE: Final[JsonDict] = {
    "object": "dataset.example",
    "line": 100,
    "example": {
        "messages": [
            {"role": "user", "content": "My address is \u2039email\u203a, when does the light turn?"},
            {"role": "assistant", "content": "Every seven seconds."},
        ]
    },
    "text": None,
    "is_shortened": False,
    "problems": [_PROBLEM],
    "tokens": {
        "encoding": "o200k_base",
        "exact": True,
        "total": 31,
        "assistant": 4,
        "by_role": {"assistant": 8, "user": 23},
        "tools": 0,
        "images": 0,
    },
}


class ExampleTokens(BaseModel):
    """What one example counts, uncut, by the chat template."""

    encoding: str
    exact: bool = Field(description="False where the encoding is approximated by another.")
    total: int
    assistant: int = Field(description="Text and calls of assistant messages: what is learned.")
    by_role: dict[str, int] = Field(description="All tokens of the messages of each role.")
    tools: int = Field(description="The declared tools; an estimate.")
    images: int = Field(description="At the price of low detail; an estimate.")


class ExampleView(BaseModel):
    """A line of a dataset as a person may see it: each secret and all personal data as `\u2039what it is\u203a`."""

    object: Literal["dataset.example"] = "dataset.example"
    line: int
    example: Any = Field(description="The line's JSON. Null where it cannot be read: then `text` is its beginning.")
    text: str | None
    is_shortened: bool = Field(description="Whether long strings were cut. The file itself has them whole.")
    problems: list[ProblemView] = Field(description="Of this line, at most 1,000.")
    tokens: ExampleTokens | None = Field(description="Null for a line with errors.")


class ExamplePage(BaseModel):
    """Lines of a dataset, in the file's order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "list", "data": [_EXAMPLE], "has_more": False, "first_id": "100", "last_id": "100",
                    "lines": 449, "left_out": [],
                }
            ]
        }
    )  # fmt: skip
    object: Literal["list"] = "list"
    data: list[ExampleView]
    has_more: bool = Field(description="With `code`: whether lines follow; ask again with `after` set to `last_id`.")
    first_id: str | None
    last_id: str | None
    lines: int = Field(description="How many lines the dataset has.")
    left_out: list[int] = Field(description="Lines that would have made the answer too large: ask for each by itself.")


class KeptProblem(ProblemView):
    """A problem and where it stands among all of them."""

    id: str = Field(description="For `after`.", examples=["0.18273"])


class ProblemPage(BaseModel):
    """Some of the problems of a dataset, as they were found: by line, then what only the whole file shows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "list", "data": [{**_PROBLEM, "id": "0.196"}], "has_more": True, "first_id": "0.196",
                    "last_id": "0.196", "total": 28, "may_be_cut": [],
                }
            ]
        }
    )  # fmt: skip
    object: Literal["list"] = "list"
    data: list[KeptProblem]
    has_more: bool = Field(description="Whether more may follow; if so, ask again with `after` set to `last_id`.")
    first_id: str | None
    last_id: str | None
    total: int = Field(description="How many there are of those asked for, listed or not.")
    may_be_cut: list[str] = Field(
        description="Codes of which not all may be listed, for there are more than 100,000 of them."
    )
