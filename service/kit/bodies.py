"""What every request body has in common."""

from pydantic import BaseModel, ConfigDict, field_validator


class Body(BaseModel):
    """A request body: unknown fields are refused, and so is U+0000, which Postgres cannot store in any text."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_storable(cls, value: object) -> object:
        if _holds_nul(value):
            raise ValueError("the character U+0000 cannot be stored")
        return value


def _holds_nul(value: object) -> bool:
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
        case list():
            return any(map(_holds_nul, value))
    return False
