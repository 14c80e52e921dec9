"""The report on a dataset: as JSON for programs, as a page for people."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse

from service import datasets
from service.api import tables
from service.api.datasets import DatasetRef, MayRead
from service.api.errors import problems
from service.api.report_page import CONTENT_SECURITY_POLICY, page
from service.datasets import Counting, ReportView
from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import Actor
from service.kit.ids import read

router = APIRouter(tags=["datasets"])

_HTML: Final = "text/html"
_MODELS_MAX: Final = 20
Count = Annotated[Counting, Query(description="By which prices are: the chat template's tokens, which are billed, or "
                                              "those of OpenAI's notebook.")]  # fmt: skip
Models = Annotated[
    list[str] | None,
    Query(alias="model", max_length=_MODELS_MAX, description="Further base models: what cannot be trained now, or was "
                                                             "not counted for, gets a rough price."),
]  # fmt: skip
Validation = Annotated[str | None, Query(description="A dataset to validate on: which examples do both have?")]
_AS_A_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The report, as JSON or as a page.", "content": {_HTML: {"schema": {"type": "string"}}}}
}


@router.get(
    "/v1/datasets/{dataset}/report",
    summary="Get the report on a dataset",
    response_model=ReportView,
    responses=_AS_A_PAGE | problems(401, 403, 404, 409, 410, 422, 503),
)
def get_dataset_report(
    response: Response,
    dataset: DatasetRef,
    actor: MayRead,
    *,
    counting: Count = Counting.TEMPLATE,
    models: Models = None,
    validation: Validation = None,
    form: Annotated[Literal["json", "html"] | None, Query(alias="format", description="Goes before `Accept`.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> ReportView | Response:
    """Every problem by line, how the tokens are spread, and what training costs today on each base model.

    `409 dataset_not_validated` with a `Retry-After` while a worker is still reading the file. Where `Accept` names
    text/html it comes as a page that needs nothing else: for a person to read, print and send on.
    """
    if tables.media(form, accept, {"html": _HTML}) == _HTML:
        return _page(actor, dataset, counting, models, validation)
    response.headers["Vary"] = "Accept"
    return _report(actor, dataset, counting, models, validation)[1]


@router.get(
    "/v1/datasets/{dataset}/report.html",
    summary="Read the report on a dataset as a page",
    response_class=HTMLResponse,
    responses=problems(401, 403, 404, 409, 410, 422, 503),
)
def get_dataset_report_page(
    dataset: DatasetRef,
    actor: MayRead,
    *,
    counting: Count = Counting.TEMPLATE,
    models: Models = None,
    validation: Validation = None,
) -> Response:
    """The same page for those who cannot set `Accept`."""
    return _page(actor, dataset, counting, models, validation)


def _page(actor: Actor, dataset: str, counting: Counting, models: list[str] | None, validation: str | None) -> Response:
    view, report = _report(actor, dataset, counting, models, validation)
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer", "Vary": "Accept"}
    return HTMLResponse(page(report, name=view.name, file=view.filename, checked_at=view.validated_at), headers=headers)


def _report(
    actor: Actor, dataset: str, counting: Counting, models: list[str] | None, validation: str | None
) -> tuple[datasets.DatasetView, ReportView]:
    """The dataset and the report on it, of one moment."""
    dataset_id = read("dset", dataset)
    validation_id = read("dset", validation) if validation else None
    with read_only(actor) as session:
        report = datasets.report(
            session, actor.team, dataset_id, clock.now(),
            counting=counting, models=models or (), validation_id=validation_id,
        )  # fmt: skip
        return datasets.get(session, actor.team, dataset_id), report
