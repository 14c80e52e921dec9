"""Graders of reinforcement learning, as far as their shape goes (openai.md §1.8); what they grade is the provider's."""

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from service.kit.bodies import Body

SOURCE_BYTES_MAX: Final = 256 * 1024
Name = Annotated[str, Field(min_length=1, max_length=256)]
Template = Annotated[str, Field(description="Text with `{{item.key}}`, `{{sample.output_text}}` and the like.")]


class StringCheck(Body):
    """1 where two texts compare as asked, else 0."""

    type: Literal["string_check"]
    name: Name
    input: Template
    reference: Template
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(Body):
    """How alike two texts are, from 0 to 1."""

    type: Literal["text_similarity"]
    name: Name
    input: Template
    reference: Template
    evaluation_metric: Literal[
        "fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"
    ]


class Python(Body):
    """What a function `grade(sample, item)` returns."""

    type: Literal["python"]
    name: Name
    source: str = Field(min_length=1, description="At most 256 kB; it runs at the provider, without network.")
    image_tag: str | None = None

    @field_validator("source")
    @classmethod
    def _is_short_enough(cls, value: str) -> str:
        if len(value.encode(errors="replace")) > SOURCE_BYTES_MAX:
            raise ValueError("the source must not be larger than 256 kB")
        return value


class GraderMessage(Body):
    """A message to the judging model."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | dict[str, Any] | list[Any]


class ScoreModel(Body):
    """The number that another model answers with."""

    type: Literal["score_model"]
    name: Name
    model: Name
    input: list[GraderMessage] = Field(min_length=1)
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None, description="[0, 1] if absent."
    )
    sampling_params: dict[str, Any] | None = None


def by_type(*words: str, absent: str | None = None) -> Discriminator:
    """Tell the members of a union apart by the word in `type`.

    Pydantic's own discriminator by a field's name does not go together with a validator of all fields, which every Body
    has.
    """

    def word(value: Any) -> str | None:
        said = value.get("type", absent) if isinstance(value, dict) else getattr(value, "type", None)
        return said if isinstance(said, str) else None

    message = f"'type' must be {', '.join(words[:-1])} or {words[-1]}"
    return Discriminator(word, custom_error_type="unknown_type", custom_error_message=message)


Single = Annotated[
    Annotated[StringCheck, Tag("string_check")]
    | Annotated[TextSimilarity, Tag("text_similarity")]
    | Annotated[Python, Tag("python")]
    | Annotated[ScoreModel, Tag("score_model")],
    by_type("string_check", "text_similarity", "python", "score_model"),
]


class Multi(Body):
    """What a formula makes of several graders' numbers."""

    type: Literal["multi"]
    name: Name
    # A dict by name: the specification types a single grader here, the service takes a dict (openai.md §1.8, "Trap").
    graders: dict[str, Single] = Field(min_length=1)
    calculate_output: str = Field(min_length=1, max_length=4096, examples=["0.8 * exact + 0.2 * style"])


Grader = Annotated[
    Annotated[StringCheck, Tag("string_check")]
    | Annotated[TextSimilarity, Tag("text_similarity")]
    | Annotated[Python, Tag("python")]
    | Annotated[ScoreModel, Tag("score_model")]
    | Annotated[Multi, Tag("multi")],
    by_type("string_check", "text_similarity", "python", "score_model", "multi"),
]
