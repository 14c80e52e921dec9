"""Tables that come as JSON or, where that is wanted, as a CSV file."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import Header, Query, Response

CSV: Final = "text/csv"
Form = Annotated[
    Literal["json", "csv"] | None,
    Query(alias="format", description="Without it CSV comes where `Accept` names text/csv and no JSON."),
]
Accept = Annotated[str, Header(include_in_schema=False)]

AS_A_FILE: Final = {"Content-Disposition": {"description": "CSV comes as a file.", "schema": {"type": "string"}}}


def either(description: str) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: JSON by its model, or CSV."""
    content = {CSV: {"schema": {"type": "string"}}}
    return {200: {"description": description, "content": content, "headers": AS_A_FILE}}


def wants_csv(form: str | None, accept: str) -> bool:
    """What `?format` says, else `Accept`."""
    return media(form, accept, {"csv": CSV}) == CSV


def media(form: str | None, accept: str, by_form: Mapping[str, str]) -> str | None:
    """The media type that `?format` says, else the first that `Accept` names and no JSON; None is JSON."""
    if form is not None:
        return by_form.get(form)
    named = [part.split(";")[0].strip() for part in accept.lower().split(",")]
    if "application/json" in named:
        return None
    return next((one for one in named if one in by_form.values()), None)


def as_file(name: str) -> dict[str, str]:
    """The headers of a CSV that is to be saved under this name."""
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept",
    }


def csv_file(content: str, name: str) -> Response:
    """A CSV as an answer."""
    return Response(content, media_type=CSV, headers=as_file(name))
