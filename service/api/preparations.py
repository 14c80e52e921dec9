"""/v1/datasets/{dataset}/prepare: a table, a document or flat objects become examples, by steps that one sees first."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from service import datasets
from service.api import streams
from service.api.datasets import DatasetRef, MayRead, MayWrite
from service.api.errors import problems
from service.kit.db import read_only, unit_of_work
from service.kit.ids import read

router = APIRouter(tags=["datasets"])

PreparationRef = Annotated[
    str, Path(description="Id of the preparation.", examples=["prep_01m7w74m4ve4esgepz92mvfgnz"])
]


@router.post(
    "/v1/datasets/{dataset}/prepare",
    status_code=202,
    summary="See what preparing a file would change",
    responses=problems(401, 403, 404, 409, 422, 503),
)
def prepare_dataset(
    dataset: DatasetRef, body: datasets.PrepareRequest, actor: MayWrite, response: Response
) -> datasets.PreparationView:
    """A preparation: a worker reads the CSV, TSV, XLSX, TXT, JSON or JSONL file and says what each step would change.

    Nothing is made before you apply it. The same request gives the same preparation again.
    """
    with unit_of_work(actor) as session:
        view = datasets.prepare(session, actor, read("dset", dataset), body)
    response.headers["Location"] = f"/v1/datasets/{view.dataset}/preparations/{view.id}"
    return view


@router.get(
    "/v1/datasets/{dataset}/preparations/{preparation}",
    summary="Get a preparation",
    responses=problems(401, 403, 404, 422, 503),
    dependencies=[Depends(streams.until_preparation_is_read)],
)
def get_preparation(dataset: DatasetRef, preparation: PreparationRef, actor: MayRead) -> datasets.PreparationView:
    """What the file is, each step with how many rows it would change and where the first stand, and what to do then."""
    with read_only(actor) as session:
        return datasets.get_preparation(session, actor.team, read("dset", dataset), read("prep", preparation))


@router.post(
    "/v1/datasets/{dataset}/preparations/{preparation}/apply",
    status_code=202,
    summary="Apply a preparation",
    responses=problems(401, 403, 404, 409, 422, 503),
)
def apply_preparation(
    dataset: DatasetRef,
    preparation: PreparationRef,
    body: datasets.ApplyRequest,
    actor: MayWrite,
    response: Response,
) -> datasets.DatasetView:
    """A new dataset, made by the necessary steps and those you accept; the file itself stays as it is.

    A worker makes and checks it. Its `recipe` names every step, and the same steps give the same dataset again.
    """
    with unit_of_work(actor) as session:
        made = datasets.apply_preparation(
            session, actor, read("dset", dataset), read("prep", preparation), accept=body.accept
        )
        view = datasets.get(session, actor.team, made)
    response.headers["Location"] = f"/v1/datasets/{view.id}"
    return view
