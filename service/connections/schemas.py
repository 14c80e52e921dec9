"""Connections as operators send and see them. No view has a key or a secret."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from service.connections.rules import PACE_MIN, Kind, TestFailure, TestState
from service.kit import signatures
from service.kit.bodies import Body

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$", description="Unique; say what it is for.")]
BaseUrl = Annotated[
    str,
    Field(
        max_length=512,
        description="What the provider's paths are appended to: `https://api.openai.com/v1`, for Azure "
        "`https://<resource>.openai.azure.com/openai/v1`.",
    ),
]


def _fits_a_header(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError("it is sent in a header: printable ASCII characters only, and no spaces")
    return secret


def _signs(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().removeprefix(signatures.PREFIX):
        raise ValueError("it is empty: anybody could sign with it")
    return secret


Secret = Annotated[SecretStr, Field(min_length=1, max_length=1024), AfterValidator(_fits_a_header)]
_Header = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
Organisation = Annotated[_Header | None, Field(description="Sent as `OpenAI-Organization`; null: not sent.")]
Project = Annotated[_Header | None, Field(description="Sent as `OpenAI-Project`; null: not sent.")]
PerMinute = Annotated[
    int | None, Field(ge=PACE_MIN, le=1_000_000, description="Requests a minute, all workers together; null: no limit.")
]
SlotsOfAny = Annotated[
    int | None,
    Field(ge=0, le=100_000, description="Jobs of one base model at a time; null: as many as the provider takes."),
]


class ConnectionCreate(Body):
    """A new provider account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "openai-eu", "kind": "openai", "base_url": "https://eu.api.openai.com/v1", "api_key": "sk-…"}
            ]
        }
    )
    name: Name
    kind: Kind = Field(Kind.OPENAI, description="How to speak to it: `azure` sends the key as `api-key`.")
    provider: str = Field(
        "openai", pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Whose models and prices these are, as in the catalog."
    )
    base_url: BaseUrl
    api_key: Secret = Field(description="Kept sealed, shown never.")
    organisation: Organisation = None
    project: Project = None
    requests_per_minute: PerMinute = None
    slots: SlotsOfAny = None


class ConnectionUpdate(Body):
    """What is to change; what is absent stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"requests_per_minute": 300, "is_default": True}]})
    name: Name | None = Field(None, description="Null: stays.")
    base_url: BaseUrl | None = Field(None, description="Null: stays.")
    organisation: Organisation = None
    project: Project = None
    requests_per_minute: PerMinute = None
    slots: SlotsOfAny = None
    is_default: Literal[True] | None = Field(None, description="Teams that chose none use it from now on, no other.")


class KeyReplace(Body):
    """The next key of the account."""

    api_key: Secret = Field(description="Kept sealed, shown never. The next call is made with it.")


class AdminKeySet(Body):
    """What the account's costs and usage are read with."""

    admin_key: Secret | None = Field(
        description="`sk-admin-…` of the organisation, kept sealed, shown never; null: its costs are not read."
    )


class WebhookSecretSet(Body):
    """What the provider signs its webhooks with."""

    secret: Annotated[SecretStr, AfterValidator(_signs)] | None = Field(
        max_length=1024, description="`whsec_…`, kept sealed, shown never; null: its webhooks are refused."
    )


class SlotsSet(Body):
    """How many jobs of one base model the account takes at a time."""

    slots: int | None = Field(
        ge=0, le=100_000, description="0 stops the model there; null: what is learned from the provider's refusals."
    )


class PauseRequest(Body):
    """Why nothing new is to go to the account."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="Told to the teams whose jobs wait.", examples=["moving to another project"]
    )


class PausedView(BaseModel):
    """An operator's pause."""

    reason: str
    since: datetime


class CircuitView(BaseModel):
    """Calls that are not made, because the account is away, refuses us or asked for a pause."""

    use: Literal["create", "ask"] = Field(description="create: files and jobs; ask: everything else.")
    reason: str
    since: datetime
    until: datetime = Field(description="From then on one call at a time tries; the first that succeeds ends this.")


class SlotsView(BaseModel):
    """Jobs of one base model at a time."""

    model: str
    slots: int | None = Field(description="Set by an operator.")
    learned: int | None = Field(description="Learned from the provider's refusals.")
    learned_at: datetime | None


class ConnectionView(BaseModel):
    """A provider account: how it is used and how it is doing."""

    object: Literal["connection"] = "connection"
    id: str = Field(examples=["conn_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    name: str
    kind: Kind
    provider: str
    base_url: str
    organisation: str | None
    project: str | None
    is_default: bool = Field(description="Whether teams that chose none use it.")
    requests_per_minute: int | None
    slots: int | None = Field(description="Jobs of one base model at a time, where `slots_by_model` has none set.")
    slots_by_model: list[SlotsView]
    has_webhook_secret: bool
    has_admin_key: bool = Field(description="Whether the account's costs and usage are read.")
    paused: PausedView | None = Field(description="Nothing new goes there; jobs at the provider are still followed.")
    circuits: list[CircuitView] = Field(description="Empty: it is well, as far as we know.")
    archived_at: datetime | None
    created_at: datetime


class ConnectionTestView(BaseModel):
    """A test of an account: whether it lists its models."""

    object: Literal["connection_test"] = "connection_test"
    id: str = Field(examples=["ctest_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    connection: str
    state: TestState
    code: TestFailure | None = Field(description="Why it failed.")
    message: str | None = Field(description="Why it failed, in the provider's words.")
    models: int | None = Field(description="How many models the account has.")
    milliseconds: int | None = Field(description="How long the answer took.")
    created_by: str
    created_at: datetime
    finished_at: datetime | None
