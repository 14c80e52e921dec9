"""Reading in a dataset: its examples, and all its problems. See docs/datasets.md."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from service import datasets
from service.api import tables
from service.api.datasets import DatasetRef, MayRead
from service.api.errors import problems
from service.datasets import ExamplePage, ProblemPage, Severity
from service.kit.db import read_only
from service.kit.identity import Actor
from service.kit.ids import read
from service.kit.pages import LIMIT_DEFAULT, LIMIT_MAX

router = APIRouter(tags=["datasets"])

After = Annotated[str | None, Query(description="`last_id` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items a page.")]
OfSample = Annotated[int | None, Query(ge=1, le=LIMIT_MAX, description="So many at random; 20 where nothing is named.")]
Seed = Annotated[int, Query(ge=0, le=2**31 - 1, description="Of the sample: the same one, the same lines for ever.")]
OfLine = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="This line, counted from 1.")]
OfCode = Annotated[str | None, Query(max_length=64, description="Lines with a problem of this code.")]
Encoding = Annotated[
    Literal["o200k_base", "cl100k_base"] | None,
    Query(description="By which tokens are counted; without it by the first in the report."),
]


@router.get(
    "/v1/datasets/{dataset}/examples", summary="Look at examples", responses=problems(401, 403, 404, 409, 410, 422, 503)
)
def list_dataset_examples(
    dataset: DatasetRef,
    actor: MayRead,
    *,
    sample: OfSample = None,
    seed: Seed = 0,
    line: OfLine = None,
    code: OfCode = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
    encoding: Encoding = None,
) -> ExamplePage:
    """Some lines at random, one `line`, or those with a problem of one `code`: name one of the three.

    Each comes with its problems and its tokens. Secrets and personal data are masked, and texts beyond 20,000
    characters cut; a line that is no JSON is shown as the beginning of its text.
    """
    if sum(asked is not None for asked in (sample, line, code)) > 1:
        raise datasets.ExamplesAmbiguous
    found = _found(actor, dataset)
    if line is not None:
        return datasets.example_of_line(found, line=line, encoding=encoding)
    if code is not None:
        return datasets.examples_with_problem(found, code=code, after=after, limit=limit, encoding=encoding)
    return datasets.sampled_examples(found, count=sample or LIMIT_DEFAULT, seed=seed, encoding=encoding)


JSON_LINES: Final = "application/x-ndjson"
_WRITERS: Final[dict[str, Callable[[Iterable[Any]], Iterator[bytes]]]] = {
    tables.CSV: datasets.problems_as_csv,
    JSON_LINES: datasets.problems_as_json_lines,
}
_BY_FORMAT: Final = {"csv": tables.CSV, "jsonl": JSON_LINES}
Form = Annotated[
    Literal["json", "jsonl", "csv"] | None,
    Query(alias="format", description="Without it what `Accept` names: JSON, application/x-ndjson or text/csv."),
]
_TOLD: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page of problems, or all of them as a file.",
        "content": {media: {"schema": {"type": "string"}} for media in (JSON_LINES, tables.CSV)},
        "headers": tables.AS_A_FILE,
    }
}


@router.get(
    "/v1/datasets/{dataset}/problems",
    summary="List or download all problems",
    response_model=ProblemPage,
    responses=_TOLD | problems(401, 403, 404, 409, 410, 422, 503),
)
def list_dataset_problems(
    response: Response,
    dataset: DatasetRef,
    actor: MayRead,
    *,
    code: Annotated[str | None, Query(max_length=64, description="Only of this code.")] = None,
    severity: Annotated[Severity | None, Query(description="Only errors, or only warnings.")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
    form: Form = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> ProblemPage | Response:
    """Every problem of the file, where the report has the first 50 of each code. As a file: all that are asked for.

    Of each code up to 100,000 are kept for each 64 MiB of the file. If that was not all, a file ends with lines of the
    code `not_kept` that say how many are missing.
    """
    found = _found(actor, dataset)
    wanted = datasets.problems_wanted(code, severity)
    media = tables.media(form, accept, _BY_FORMAT)
    if media is None:
        response.headers["Vary"] = "Accept"
        return datasets.page_of_problems(found, wanted, after=after, limit=limit)
    content = _WRITERS[media](datasets.every_problem(found, wanted))
    name = f"{dataset}-problems.{'csv' if media == tables.CSV else 'jsonl'}"
    return StreamingResponse(content, media_type=media, headers=tables.as_file(name))


def _found(actor: Actor, dataset: str) -> datasets.Stored:
    """Where it lies; storage is read after the unit."""
    with read_only(actor) as session:
        return datasets.find_stored(session, actor.team, read("dset", dataset))
