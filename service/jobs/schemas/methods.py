"""The training methods, each with its own hyperparameters. Which values these may take depends on the base model."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, PlainSerializer, Tag, TypeAdapter

from service.jobs.models import Job
from service.jobs.schemas.graders import Grader, by_type
from service.kit.bodies import Body

Auto = Literal["auto"]
Whole = Annotated[int, Field(strict=True)] | Auto | None
# Sent to the provider as a float, so that more places would be lost; kept and shown as it was given.
Number = (
    Annotated[Decimal, Field(max_digits=20, decimal_places=10), PlainSerializer(str, when_used="json")] | Auto | None
)
ABSENT: Final = "Absent, and with `auto`: the provider chooses."


class SupervisedHyperparameters(Body):
    """How to train. What is absent is chosen by us (epochs, by the size of the data) or by the provider."""

    n_epochs: Whole = Field(
        None,
        description="Passes over the data. Absent: our default for this dataset. `auto`: the provider chooses, and "
        "money is reserved for the most it may.",
    )  # fmt: skip
    batch_size: Whole = Field(None, description=f"Examples per step. {ABSENT}")
    learning_rate_multiplier: Number = Field(None, description=f"Factor on the provider's own learning rate. {ABSENT}")


class DpoHyperparameters(SupervisedHyperparameters):
    """The same, and how far the model may go from where it started."""

    beta: Number = Field(None, description=f"The higher, the closer it stays to the base model. {ABSENT}")


class ReinforcementHyperparameters(SupervisedHyperparameters):
    """The same, and how much to explore and to measure."""

    reasoning_effort: Literal["default", "low", "medium", "high"] | None = None
    compute_multiplier: Number = Field(None, description=f"How much to explore. {ABSENT}")
    eval_interval: Whole = Field(None, description=f"Steps between two evaluations. {ABSENT}")
    eval_samples: Whole = Field(None, description=f"Samples for each item evaluated. {ABSENT}")


class Supervised(Body):
    """Learning to answer as the examples do."""

    type: Literal["supervised"] = "supervised"
    hyperparameters: SupervisedHyperparameters = SupervisedHyperparameters()


class Dpo(Body):
    """Learning to prefer one answer over another; the data are preference pairs."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "dpo", "hyperparameters": {"beta": "0.1", "n_epochs": 2}}]}
    )
    type: Literal["dpo"]
    hyperparameters: DpoHyperparameters = DpoHyperparameters()


class JsonSchema(Body):
    """The schema the model's answers follow."""

    model_config = ConfigDict(serialize_by_alias=True)
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    json_schema: dict[str, Any] = Field(alias="schema", description="JSON Schema of the answer.")
    strict: bool | None = None


class ResponseFormat(Body):
    """What form answers have while training."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class Reinforcement(Body):
    """Learning to please a grader; the data are items, to train on and to evaluate on. It is paid by the hour."""

    type: Literal["reinforcement"]
    grader: Grader
    response_format: ResponseFormat | None = None
    hyperparameters: ReinforcementHyperparameters = ReinforcementHyperparameters()


Method = Annotated[
    Annotated[Supervised, Tag("supervised")]
    | Annotated[Dpo, Tag("dpo")]
    | Annotated[Reinforcement, Tag("reinforcement")],
    by_type("supervised", "dpo", "reinforcement", absent="supervised"),
]


_COLUMNS: Final = ("n_epochs", "batch_size", "learning_rate_multiplier")
_METHOD: Final[TypeAdapter[Method]] = TypeAdapter(Method)


def options_of(method: Method) -> dict[str, Any]:
    """What of a method has no column of its own in a job's row, as JSON. `n_epochs` only where it is `auto`."""
    told = method.model_dump(mode="json", exclude_none=True, exclude={"type"})
    chosen = told.pop("hyperparameters")
    return told | {
        name: value for name, value in chosen.items() if name not in _COLUMNS or (name, value) == ("n_epochs", "auto")
    }


def method_of(job: Job) -> Method:
    """The method as the row has it. What the provider chooses is `auto`; epochs still to be chosen by us are none."""
    options = dict(job.options or {})
    beside = {name: options.pop(name) for name in ("grader", "response_format") if name in options}
    chosen = options | {
        "n_epochs": job.epochs or options.get("n_epochs"),
        "batch_size": job.batch_size or "auto",
        "learning_rate_multiplier": job.learning_rate_multiplier or "auto",
    }
    if job.method == "dpo":
        chosen = {"beta": "auto"} | chosen
    if job.method == "reinforcement":
        chosen = dict.fromkeys(("compute_multiplier", "eval_interval", "eval_samples"), "auto") | chosen
        chosen["n_epochs"] = chosen["n_epochs"] or "auto"
    return _METHOD.validate_python({"type": job.method, "hyperparameters": chosen, **beside})
