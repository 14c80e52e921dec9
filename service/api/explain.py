"""/problems/{code}: where the `type` of a problem leads."""

from typing import Annotated

from fastapi import APIRouter, Path

from service.api.errors import Explanation, explanations, problems
from service.kit.errors import NotFound

router = APIRouter(tags=["problems"])


class UnknownProblem(NotFound):
    """There is no kind of problem called {code!r}."""

    code = "unknown_problem"


@router.get("/problems/{code}", summary="Explain a problem", responses=problems(404))
def explain_problem(
    code: Annotated[str, Path(description="The `code` of an error's body.", examples=["model_not_found"])],
) -> list[Explanation]:
    """What a problem's `type` stands for. One code may have several sentences, each with its status."""
    found = [one for one in explanations() if one.code == code]
    if not found:
        raise UnknownProblem(code=code)
    return found
