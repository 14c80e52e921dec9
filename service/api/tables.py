"""Tables that come as JSON or, where that is wanted, as a file: CSV, and some also as a workbook or Parquet."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Final, Literal

from fastapi import Header, Query, Response
from fastapi.responses import StreamingResponse

from service.kit.tables import WRITERS, Batch, Column

CSV: Final = "text/csv"
Form = Annotated[
    Literal["json", "csv"] | None,
    Query(alias="format", description="Without it CSV comes where `Accept` names text/csv and no JSON."),
]
Accept = Annotated[str, Header(include_in_schema=False)]
FILES: Final = {
    "csv": CSV,
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
AnyForm = Annotated[
    Literal["json", "csv", "xlsx", "parquet"] | None,
    Query(alias="format", description="Goes before `Accept`, which may name the media type instead."),
]

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
    """The headers of a file that is to be saved under this name."""
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept",
    }


def csv_file(content: str, name: str) -> Response:
    """A CSV as an answer."""
    return Response(content, media_type=CSV, headers=as_file(name))


def any_of(description: str) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: JSON by its model, or any of `FILES`."""
    text, binary = {"type": "string"}, {"type": "string", "format": "binary"}
    content = {media: {"schema": text if form == "csv" else binary} for form, media in FILES.items()}
    return {200: {"description": description, "content": content, "headers": AS_A_FILE}}


def file_wanted(form: str | None, accept: str) -> str | None:
    """The key of `FILES` that `?format` says, else `Accept`; None is JSON."""
    wanted = media(form, accept, FILES)
    return next((one for one, of_file in FILES.items() if of_file == wanted), None)


def table_file(form: str, name: str, columns: Sequence[Column], batches: Iterable[Batch]) -> Response:
    """A table as it is read: `name` with the ending of its form.

    What goes wrong before the first batch is an error's answer; after that the connection is cut off, and a client sees
    that its file is not whole.
    """
    pieces = WRITERS[form](columns, batches)
    started = next(pieces, b"")
    return StreamingResponse(chain([started], pieces), media_type=FILES[form], headers=as_file(f"{name}.{form}"))
