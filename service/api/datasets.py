"""/v1/datasets: training files, their state and the report on each. Posting one is in uploads.py."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from service import datasets
from service.api import streams
from service.api.deps import MayAsTeam
from service.api.errors import problems
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX, Page

router = APIRouter(tags=["datasets"])

DatasetRef = Annotated[str, Path(description="Id of the dataset.", examples=["dset_01m7w74m4ve4esgepz92mvfgnz"])]
MayRead = Annotated[Actor, MayAsTeam("datasets:read")]
MayWrite = Annotated[Actor, MayAsTeam("datasets:write")]


@router.get("/v1/datasets", summary="List datasets", responses=problems(401, 403, 404, 422, 503))
def list_datasets(
    *,
    actor: MayRead,
    after: Annotated[str | None, Query(description="`last_id` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")] = LIMIT_DEFAULT,
    archived: Annotated[bool, Query(description="Those that were deleted instead.")] = False,
) -> Page[datasets.DatasetView]:
    """Your team's datasets, newest first."""
    with read_only(actor) as session:
        return datasets.list_datasets(
            session, actor.team, after=read("dset", after) if after else None, limit=limit, archived=archived
        )


@router.get(
    "/v1/datasets/{dataset}",
    summary="Get a dataset",
    responses=problems(401, 403, 404, 422, 503),
    dependencies=[Depends(streams.until_dataset_is_checked)],
)
def get_dataset(dataset: DatasetRef, actor: MayRead) -> datasets.DatasetView:
    """One dataset: what it is, and whether it may be trained on."""
    with read_only(actor) as session:
        return datasets.get(session, actor.team, read("dset", dataset))


@router.post(
    "/v1/datasets/{dataset}/split",
    status_code=202,
    summary="Cut a dataset in two",
    responses=problems(401, 403, 404, 409, 422, 503),
)
def split_dataset(dataset: DatasetRef, body: datasets.SplitRequest, actor: MayWrite) -> datasets.SplitView:
    """Two new datasets, one to train and one to validate on; this one stays as it is.

    Workers make and check them. The same request gives the same two again, and the same seed the same choice.
    """
    with unit_of_work(actor) as session:
        train, validation = datasets.derive_split(
            session, actor, read("dset", dataset),
            seed=body.seed, validation_fraction=body.validation_fraction, validation_count=body.validation_count,
            by_answer=body.stratify_by is not None,
        )  # fmt: skip
        return datasets.SplitView(
            train=datasets.get(session, actor.team, train),
            validation=datasets.get(session, actor.team, validation),
        )


@router.post(
    "/v1/datasets/{dataset}/subset",
    status_code=202,
    summary="Take a part of a dataset",
    responses=problems(401, 403, 404, 409, 422, 503),
)
def take_subset(
    dataset: DatasetRef, body: datasets.SubsetRequest, actor: MayWrite, response: Response
) -> datasets.DatasetView:
    """A new dataset of some of this one's examples: with the same seed, a smaller one lies within a larger.

    A worker makes and checks it. The same request gives the same dataset again.
    """
    with unit_of_work(actor) as session:
        made = datasets.derive_subset(
            session, actor, read("dset", dataset), seed=body.seed, fraction=body.fraction, count=body.count
        )
        view = datasets.get(session, actor.team, made)
    response.headers["Location"] = f"/v1/datasets/{view.id}"
    return view
