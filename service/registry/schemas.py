"""What the registry promises outside."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.kit.bodies import Body


class AliasView(BaseModel):
    """Where an alias points."""

    object: Literal["model_alias"] = "model_alias"
    alias: str = Field(examples=["production"])
    version: int = Field(description="Number of the version it means.", examples=[3])
    previous_version: int | None = Field(description="What it meant before: promote that to roll back.", examples=[2])
    moved_at: datetime
    moved_by: str = Field(description="The key that moved it.")
    reason: str | None


class VersionView(BaseModel):
    """One tuned model at the provider."""

    object: Literal["model_version"] = "model_version"
    id: str = Field(examples=["mver_01m7w74m4ve4esgepz92mvfgnz"])
    number: int = Field(description="Counts up within the model.", examples=[3])
    model: str = Field(description="The provider's id.", examples=["ft:gpt-4.1-mini-2025-04-14:acme::Bx1"])
    base_model: str = Field(examples=["gpt-4.1-mini-2025-04-14"])
    job: str | None = Field(description="The job that trained it; none for an imported one.")
    dataset: str | None = Field(description="What it was trained on, as far as that is known.")
    state: str = Field(description="`loading` until the provider answers for it, then `ready`.", examples=["ready"])
    attention: str | None = Field(description="Why a person must look at it, if one must.")
    created_at: datetime
    ready_at: datetime | None
    shutdown_date: date | None = Field(description="The day the provider stops serving it, as far as that is known.")


class ModelView(BaseModel):
    """A model: one name, its versions over time, and the aliases that say which is served where."""

    object: Literal["model"] = "model"
    id: str = Field(examples=["model_01m7w74m4ve4esgepz92mvfgnz"])
    name: str = Field(examples=["support-bot"])
    created_at: datetime
    versions: list[VersionView] = Field(description="Newest first.")
    aliases: list[AliasView] = Field(description="By name.")


class Promotion(Body):
    """Which version an alias shall mean, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 3, "reason": "Better on refunds."}]})

    version: int = Field(ge=1, le=2**31 - 1, description="Number of a ready version.")
    reason: str | None = Field(None, max_length=500, description="For those who look at the history.")


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
