"""More budget, asked for by teams and granted or not by operators."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse

from service import quotas, tenants
from service.api.deps import May, MayAsTeam
from service.api.errors import problems
from service.api.once import IdempotencyKey
from service.api.teams import After, Limit
from service.kit import clock, idempotency
from service.kit.db import read_only, unit_of_work
from service.kit.identity import Actor
from service.kit.pages import LIMIT_DEFAULT, Page

router = APIRouter(tags=["budgets"])

RequestRef = Annotated[str, Path(description="Id of the budget request.", examples=["breq_01k8z0q3v6fq0r2m9t6c4x5y7z"])]
MayAsk = Annotated[Actor, MayAsTeam("budgets:request")]
MayApprove = Annotated[Actor, May("budgets:approve")]
_REFUSALS = problems(401, 403, 404, 409, 422)


@router.post(
    "/v1/budget-requests",
    status_code=201,
    summary="Ask for more budget",
    response_model=quotas.BudgetRequestView,
    responses=problems(401, 403, 409, 422),
)
def ask_for_budget(body: quotas.BudgetAsk, actor: MayAsk, idempotency_key: IdempotencyKey = None) -> Response:
    """Ask operators to raise this month's limit. Nobody deciding, it expires after a week.

    Operators hear of it by the event `budget.requested` and see it in `GET /v1/budget-requests?state=pending`.
    """
    with unit_of_work(actor) as session:

        def answer() -> dict[str, Any]:
            team = tenants.team(session, actor.team)
            return quotas.ask_for_budget(session, actor, team, body, at=clock.now()).model_dump(mode="json")

        request = {"method": "POST", "path": "/v1/budget-requests", "body": body.model_dump(exclude_unset=True)}
        outcome = idempotency.once(session, actor.team, idempotency_key, request, answer)
    headers = {"Location": f"/v1/budget-requests/{outcome.answer['id']}"}
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(outcome.answer, status_code=201, headers=headers)


@router.get("/v1/budget-requests", summary="List budget requests", responses=problems(401, 403, 404, 422))
def list_budget_requests(
    actor: Annotated[Actor, May("budgets:read")],
    *,
    team: Annotated[str | None, Query(description="Slug or id of a team; a team's key sees its own anyway.")] = None,
    state: Annotated[quotas.RequestState | None, Query(description="Only those in this state.")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Page[quotas.BudgetRequestView]:
    """The team's requests, or with an operator's or finance's key those of all teams, newest first."""
    with read_only(actor) as session:
        owner = tenants.find_team(session, team, within=actor.team_id).id if team else actor.team_id
        return quotas.budget_requests(session, team_id=owner, state=state, at=clock.now(), after=after, limit=limit)


@router.get("/v1/budget-requests/{request}", summary="Read a budget request", responses=problems(401, 403, 404))
def get_budget_request(request: RequestRef, actor: Annotated[Actor, May("budgets:read")]) -> quotas.BudgetRequestView:
    """What was asked for, what was decided, and until when what was granted lasts."""
    with read_only(actor) as session:
        return quotas.budget_request(session, request, within=actor.team_id, at=clock.now())


@router.post("/v1/budget-requests/{request}/approve", summary="Approve a budget request", responses=_REFUSALS)
def approve_budget_request(
    request: RequestRef, actor: MayApprove, body: quotas.BudgetGrant | None = None
) -> quotas.BudgetRequestView:
    """Raise the limit of the team's present month by what was asked for, or by less or more, until the grant expires.

    What is spent or held by then stays; what is left of the grant is gone. Repeating it changes nothing; what was
    decided otherwise, or expired, is a 409.
    """
    with unit_of_work(actor) as session:
        return quotas.approve_budget(session, actor, request, body or quotas.BudgetGrant(), at=clock.now())


@router.post("/v1/budget-requests/{request}/decline", summary="Decline a budget request", responses=_REFUSALS)
def decline_budget_request(
    request: RequestRef, actor: MayApprove, body: quotas.BudgetDecline | None = None
) -> quotas.BudgetRequestView:
    """Grant nothing, and say why. Repeating it changes nothing; what was decided otherwise, or expired, is a 409."""
    note = body.note if body is not None else None
    with unit_of_work(actor) as session:
        return quotas.decline_budget(session, actor, request, note=note, at=clock.now())


@router.post("/v1/budget-requests/{request}/withdraw", summary="Withdraw a budget request", responses=_REFUSALS)
def withdraw_budget_request(request: RequestRef, actor: MayAsk) -> quotas.BudgetRequestView:
    """Take your team's own request back. Repeating it changes nothing; what was decided, or expired, is a 409."""
    with unit_of_work(actor) as session:
        return quotas.withdraw_budget(session, actor, request, at=clock.now())
