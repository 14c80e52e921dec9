"""Teams and keys as the API shows them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.kit.bodies import Body, Instant
from service.kit.ids import show
from service.tenants.models import ApiKey, Team

# No control characters: they would break logs and spreadsheets, and Postgres refuses U+0000 outright.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class TeamCreate(Body):
    """A new team."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"slug": "support-bot", "name": "Support bot", "cost_center": "CC-4711", "time_zone": "Europe/Berlin"}
            ]
        },
    )
    slug: str = Field(pattern=r"^[a-z][a-z0-9-]{1,38}$", description="Unique short name, used in paths and reports.")
    name: Line = Field(description="What people call the team.")
    cost_center: Line | None = Field(None, description="Copied onto every cost entry of the day.")
    product: Line | None = Field(None, description="Copied onto every cost entry of the day.")
    environment: Line | None = Field(None, description="Copied onto every cost entry of the day.")
    contact: Line | None = Field(None, description="Whom to ask, for example a mail address or a channel.")
    time_zone: str = Field(
        "UTC", max_length=64, description="IANA name; the team's budget month begins at its midnight."
    )
    connection: str | None = Field(None, description="Id of the provider account to use; else the platform's default.")


class TeamUpdate(Body):
    """What is to change of a team; what is absent stays. Its slug and time zone are for ever: reports hang on them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Support", "cost_center": "CC-0815"}]})
    name: Line | None = Field(None, description="What people call the team. Null: stays.")
    cost_center: Line | None = Field(None, description="Of what is booked from now on; entries keep what they had.")
    product: Line | None = Field(None, description="Of what is booked from now on; entries keep what they had.")
    environment: Line | None = Field(None, description="Of what is booked from now on; entries keep what they had.")
    contact: Line | None = Field(None, description="Whom to ask, for example a mail address or a channel.")
    connection: str | None = Field(
        None, description="Id of the provider account that the team's next jobs run on; null: the platform's default."
    )
    archived: bool | None = Field(
        None,
        description="An archived team's keys read and resolve, and do nothing else. Jobs under way run to their "
        "end. Null: stays.",
    )


class TeamView(BaseModel):
    """A team."""

    object: Literal["team"] = "team"
    id: str = Field(examples=["team_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    slug: str = Field(examples=["support-bot"])
    name: str = Field(examples=["Support bot"])
    cost_center: str | None
    product: str | None
    environment: str | None
    contact: str | None
    time_zone: str = Field(description="IANA name.", examples=["Europe/Berlin"])
    connection: str | None = Field(description="Id of the team's own provider account; null means the default.")
    archived_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, team: Team) -> Self:
        """The row as shown."""
        return cls(
            id=show("team", team.id),
            slug=team.slug,
            name=team.name,
            cost_center=team.cost_center,
            product=team.product,
            environment=team.environment,
            contact=team.contact,
            time_zone=team.time_zone,
            connection=show("conn", team.connection_id) if team.connection_id else None,
            archived_at=team.archived_at,
            created_at=team.created_at,
        )


class KeyCreate(Body):
    """A new key of a team. Keys of operators and finance are made with `tuneplane admin create-key`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "chatbot, production", "role": "resolver"}]})
    name: Line = Field(description="What the key is for, so that it can be told apart when it is to be revoked.")
    role: Literal["admin", "member", "viewer", "resolver"] = Field(
        description="admin: everything in the team, keys included. member: datasets, jobs, models. viewer: reads. "
        "resolver: asks which model to use, nothing else."
    )
    expires_at: Instant | None = Field(None, description="When the key stops working; null means never.")


class KeyView(BaseModel):
    """An API key without its secret."""

    object: Literal["api_key"] = "api_key"
    id: str = Field(examples=["key_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    team: str | None = Field(description="Id of the team; null for keys of operators and finance.")
    name: str = Field(examples=["chatbot, production"])
    role: str = Field(description="operator, finance, admin, member, viewer or resolver.", examples=["resolver"])
    prefix: str = Field(description="How the key begins.", examples=["tp_prod_4kTz09QwXa"])
    last4: str = Field(description="The last four characters of the whole key.", examples=["a8Kd"])
    created_by: str = Field(description="Id of the key that made this one, or `cli`.")
    created_at: datetime
    expires_at: datetime | None = Field(description="When it stops working; null means never.")
    last_used_at: datetime | None = Field(description="Exact to a minute.")
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """The row as shown."""
        return cls(
            id=show("key", key.id),
            team=show("team", key.team_id) if key.team_id else None,
            name=key.name,
            role=key.role,
            prefix=f"tp_{key.environment}_{key.key_id}",
            last4=key.last4,
            created_by=key.created_by,
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )


class KeyCreated(KeyView):
    """A new key with its secret, which is shown this once and kept nowhere."""

    key: str = Field(description="The whole key. Store it now: it cannot be shown again.")


class TeamName(BaseModel):
    """Which team a key belongs to."""

    id: str
    slug: str
    name: str


class Me(BaseModel):
    """Who is calling."""

    object: Literal["me"] = "me"
    key: str = Field(description="Id of the key used.", examples=["key_01k8z0q3v6fq0r2m9t6c4x5y7z"])
    name: str = Field(description="What the key is for.")
    role: str = Field(examples=["member"])
    scopes: list[str] = Field(description="What the key may do.", examples=[["jobs:read", "jobs:write"]])
    team: TeamName | None = Field(description="The key's team; null for keys of operators and finance.")
    expires_at: datetime | None = Field(description="When the key stops working; null means never.")
