"""What the registry promises outside."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.kit.bodies import Body, Instant

_WEIGHT: Final = "Its share in hundredths of a percent; those of an alias come to 10000."


class TargetView(BaseModel):
    """A version that an alias serves, and how much of it."""

    version: int = Field(examples=[3])
    weight: int = Field(description=_WEIGHT, examples=[9500])
    model: str = Field(description="The provider's id.", examples=["ft:gpt-4.1-mini-2025-04-14:acme::Bx1"])


class AliasView(BaseModel):
    """What an alias serves."""

    object: Literal["model_alias"] = "model_alias"
    alias: str = Field(examples=["production"])
    version: int = Field(description="Number of the version it means: the one with the largest share.", examples=[3])
    targets: list[TargetView] = Field(description="All it serves, the largest share first.")
    previous_version: int | None = Field(
        description="What last had all of the traffic before: rolling back goes there.", examples=[2]
    )
    revision: int = Field(
        description="Counts its moves. Send it as `If-Match` to move only what you saw.", examples=[4]
    )
    moved_at: datetime
    moved_by: str = Field(description="The key that moved it.")
    reason: str | None
    protected_role: Literal["admin", "operator"] | None = Field(
        description="Whose keys may move it, if not everybody's."
    )
    required_verdict: bool = Field(description="Whether it takes only versions that passed their evaluation.")
    on_unavailable: Literal["stay", "move"] = Field(
        description="When what it serves stops answering: stay, or move to the last version that does."
    )
    fallen_back: bool = Field(
        description="Whether no version answered: then it serves the model's fallback until it is moved."
    )


class MoveView(BaseModel):
    """One move of an alias."""

    object: Literal["alias_move"] = "alias_move"
    revision: int = Field(examples=[4])
    at: datetime = Field(description="From when on it served this.")
    by: str = Field(description="The key that moved it; `worker` for what happened by itself.")
    action: str = Field(
        description="`promote`, `rollback`, `canary`, `stop`, `fallback`, `protect` or `remove`.", examples=["promote"]
    )
    targets: list[TargetView] = Field(description="What it served from then on; nothing, once removed.")
    reason: str | None
    evidence: dict[str, Any] | None = Field(description="What the mover gave as evidence.")


class VersionView(BaseModel):
    """One tuned model at the provider."""

    object: Literal["model_version"] = "model_version"
    id: str = Field(examples=["mver_01m7w74m4ve4esgepz92mvfgnz"])
    number: int = Field(description="Counts up within the model.", examples=[3])
    model: str = Field(description="The provider's id.", examples=["ft:gpt-4.1-mini-2025-04-14:acme::Bx1"])
    base_model: str = Field(examples=["gpt-4.1-mini-2025-04-14"])
    job: str | None = Field(description="The job that trained it; none for an imported one.")
    dataset: str | None = Field(description="What it was trained on, as far as that is known.")
    source: Literal["job", "checkpoint", "import"] = Field(description="Where it comes from.")
    state: str = Field(
        description="`loading` until the provider answers for it, `ready`, `unavailable` while it does not answer any "
        "more, `retired` once you took it out of service.",
        examples=["ready"],
    )
    attention: str | None = Field(description="Why a person must look at it, if one must.")
    created_at: datetime
    ready_at: datetime | None
    probed_at: datetime | None = Field(description="When the provider last said whether it answers.")
    unavailable_since: datetime | None
    retired_at: datetime | None
    notes: str | None
    metrics: dict[str, Any] = Field(description="What its training came to.")
    verdict: Literal["passed", "failed"] | None = Field(description="How its evaluation came out, once there was one.")
    verdict_evidence: dict[str, Any] | None
    verdict_at: datetime | None
    shutdown_date: date | None = Field(description="The day the provider stops serving it, as far as that is known.")


class ModelView(BaseModel):
    """A model: one name, its versions over time, and the aliases that say which is served where."""

    object: Literal["model"] = "model"
    id: str = Field(examples=["model_01m7w74m4ve4esgepz92mvfgnz"])
    name: str = Field(examples=["support-bot"])
    owner: str = Field(description="Slug of the team whose it is; others call it `owner:name`.", examples=["support"])
    visibility: Literal["team", "shared", "company"] = Field(
        description="Who may read and resolve it: its team, also the teams it is shared with, or everybody here."
    )
    shared_with: list[str] = Field(description="Slugs of teams; they count while the visibility is `shared`.")
    notes: str | None
    fallback: str | None = Field(
        description="What to call when no version answers: a provider's id; null: the version's base model."
    )
    created_at: datetime
    versions: list[VersionView] = Field(description="Newest first.")
    aliases: list[AliasView] = Field(description="By name.")


class ModelUpdate(Body):
    """What the owner says of a model; what is absent stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"visibility": "shared", "shared_with": ["chat"], "notes": "Ask before use."}]}
    )

    visibility: Literal["team", "shared", "company"] = "team"
    shared_with: list[str] = Field([], max_length=100, description="Slugs of teams; it replaces those there are.")
    notes: str | None = Field(None, max_length=2000)
    fallback: str | None = Field(None, min_length=1, max_length=255, description="A provider's model id.")


Reason = Annotated[str | None, Field(max_length=500, description="For those who look at the history.")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1, description="Number of a ready version.", examples=[3])]


class Share(Body):
    """A version and how much of an alias it gets."""

    version: Number
    weight: int = Field(ge=1, le=10_000, description=_WEIGHT, examples=[500])


class Promotion(Body):
    """What an alias shall serve, and why: one version, or several by shares."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"version": 3, "reason": "Better on refunds."},
                {"targets": [{"version": 3, "weight": 9500}, {"version": 4, "weight": 500}], "reason": "Try 4 on 5 %."},
            ]
        }
    )

    version: Number | None = None
    targets: list[Share] | None = Field(None, min_length=1, max_length=10, description="Instead of `version`.")
    reason: Reason = None
    evidence: dict[str, Any] | None = Field(None, description="Kept with the move: links, numbers, a ticket.")

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.version is None) == (self.targets is None):
            raise ValueError("give either `version` or `targets`")
        return self

    @property
    def shares(self) -> list[Share]:
        """Its targets, however they were given."""
        return self.targets or [Share(version=self.version or 0, weight=10_000)]


class ScheduleAsk(Promotion):
    """What an alias shall serve from an instant on, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": 4, "starts_at": "2026-12-01T08:00:00Z", "reason": "Monday."}]}
    )

    starts_at: Instant = Field(description="When; a worker makes the move within seconds of it.")


class ScheduledShare(BaseModel):
    """A version and its share, as asked for."""

    version: int
    weight: int = Field(description=_WEIGHT)


class ScheduleView(BaseModel):
    """A move to come, or what became of it."""

    object: Literal["alias_schedule"] = "alias_schedule"
    id: str = Field(examples=["sched_01m7w74m4ve4esgepz92mvfgnz"])
    alias: str = Field(examples=["production"])
    starts_at: datetime
    targets: list[ScheduledShare]
    reason: str | None
    by: str = Field(description="The key that asked for it; the move is made in its name and by its role.")
    state: Literal["waiting", "done", "failed", "cancelled"]
    ended_at: datetime | None
    outcome: str | None = Field(description="Why it failed.")


class RollBack(Body):
    """Where to go back to, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "It invents discounts."}]})

    version: Number | None = Field(None, description="Absent: what last had all of the traffic before.")
    reason: Reason = None
    evidence: dict[str, Any] | None = None


class Stop(Body):
    """Why a split ends."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "More complaints with 4."}]})

    reason: Reason = None


class Protection(Body):
    """Who may move an alias, what a version needs for it, and what happens when it stops answering."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"role": "admin", "required_verdict": True, "on_unavailable": "move", "reason": "It is live."}]
        }
    )

    role: Literal["admin", "operator"] | None = Field(
        None, description="Only keys of this role move it; null: all may."
    )
    required_verdict: bool = Field(default=False, description="Only versions that passed their evaluation.")
    on_unavailable: Literal["stay", "move"] = "stay"
    reason: Reason = None


class VersionNotes(Body):
    """What people should know of a version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"notes": "Trained without the refunds of May."}]})

    notes: str | None = Field(max_length=2000)


class Retirement(Body):
    """Why a version ends."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Its data must not be used any more."}]})

    reason: str = Field(min_length=1, max_length=500, description="For those who look at the audit.")


class ResolutionView(BaseModel):
    """What an alias means now."""

    object: Literal["model_alias"] = "model_alias"
    name: str = Field(examples=["support-bot"])
    alias: str = Field(examples=["production"])
    model: str = Field(
        description="The id to call the provider with.", examples=["ft:gpt-4.1-mini-2025-04-14:acme::Bx1"]
    )
    base_model: str = Field(examples=["gpt-4.1-mini-2025-04-14"])
    version: int = Field(examples=[3])
    job_id: str | None = Field(examples=["job_01m7w74m4ve4esgepz92mvfgnz"])
    activated_at: datetime = Field(description="When the alias was moved to this version.")
    shutdown_date: date | None = Field(description="The day the provider stops serving it, as far as that is known.")
    previous_model: str | None = Field(description="What the alias meant before.")
