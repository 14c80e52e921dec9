"""Every route, by what a foreign key can ask of it; `test_every_route_has_its_place` misses a new one."""

from dataclasses import dataclass
from typing import Any, Final

from tests.tenancy.world import (
    BASE_MODEL,
    SHARED_MODEL,
)


@dataclass(frozen=True)
class Try:
    """A request whose `{names}` are somebody else's; those that begin with `own_` are the intruder's own.

    `blames` is the pointer to the field that names what does not exist.
    """

    path: str
    body: Any = None
    blames: str | None = None


_SPY: Final = {"name": "spy", "role": "viewer"}
_JOB: Final = {"model": BASE_MODEL, "dataset": "{own_dset_id}"}
_BODIES: Final = (
    ({**_JOB, "dataset": "{dset_id}"}, "#/dataset"),
    ({**_JOB, "validation_dataset": "{dset_id}"}, "#/validation_dataset"),
)

FOREIGN: Final[dict[str, list[Try]]] = {
    "GET /v1/costs/entries/{entry}": [Try("/v1/costs/entries/{entry_id}")],
    "GET /v1/teams/{team}": [Try("/v1/teams/{team}"), Try("/v1/teams/{team_id}")],
    "PATCH /v1/teams/{team}": [Try("/v1/teams/{team}", {"connection": None})],
    "GET /v1/teams/{team}/keys": [Try("/v1/teams/{team}/keys"), Try("/v1/teams/{team_id}/keys")],
    "POST /v1/teams/{team}/keys": [Try("/v1/teams/{team}/keys", _SPY), Try("/v1/teams/{team_id}/keys", _SPY)],
    "DELETE /v1/teams/{team}/keys/{key}": [
        Try("/v1/teams/{team}/keys/{key_id}"),
        Try("/v1/teams/{team_id}/keys/{key_id}"),
        Try("/v1/teams/{own_team}/keys/{key_id}"),
        Try("/v1/teams/{team}/keys/{own_key_id}"),
    ],
    "GET /v1/teams/{team}/budget": [Try("/v1/teams/{team}/budget"), Try("/v1/teams/{team_id}/budget")],
    "PUT /v1/teams/{team}/budget": [Try("/v1/teams/{team}/budget", {"monthly_limit": "0"})],
    "GET /v1/budget-requests/{request}": [Try("/v1/budget-requests/{breq_id}")],
    "POST /v1/budget-requests/{request}/approve": [Try("/v1/budget-requests/{breq_id}/approve")],
    "POST /v1/budget-requests/{request}/decline": [Try("/v1/budget-requests/{breq_id}/decline", {"note": "No."})],
    "POST /v1/budget-requests/{request}/withdraw": [Try("/v1/budget-requests/{breq_id}/withdraw")],
    "GET /v1/teams/{team}/limits": [Try("/v1/teams/{team}/limits"), Try("/v1/teams/{team_id}/limits")],
    "PUT /v1/teams/{team}/limits": [Try("/v1/teams/{team}/limits", {"jobs_per_day": 0})],
    "GET /v1/datasets/{dataset}": [Try("/v1/datasets/{dset_id}"), Try("/v1/datasets/{dset_id}?wait=9")],
    "GET /v1/datasets/{dataset}/report": [
        Try("/v1/datasets/{dset_id}/report"),
        Try("/v1/datasets/{own_table_id}/report?validation={dset_id}"),
    ],
    "GET /v1/datasets/{dataset}/report.html": [Try("/v1/datasets/{dset_id}/report.html")],
    "GET /v1/datasets/{dataset}/examples": [
        Try("/v1/datasets/{dset_id}/examples"),
        Try("/v1/datasets/{dset_id}/examples?line=1"),
        Try("/v1/datasets/{dset_id}/examples?code=few_examples"),
    ],
    "GET /v1/datasets/{dataset}/problems": [
        Try("/v1/datasets/{dset_id}/problems"),
        Try("/v1/datasets/{dset_id}/problems?format=csv"),
    ],
    "GET /v1/datasets/{dataset}/content": [Try("/v1/datasets/{dset_id}/content")],
    "GET /v1/datasets/{dataset}/erase-map": [Try("/v1/datasets/{dset_id}/erase-map")],
    "DELETE /v1/datasets/{dataset}": [Try("/v1/datasets/{dset_id}"), Try("/v1/datasets/{dset_id}?with_parts=true")],
    "POST /v1/datasets/{dataset}/split": [Try("/v1/datasets/{dset_id}/split", {"validation_count": 2})],
    "POST /v1/datasets/{dataset}/subset": [Try("/v1/datasets/{dset_id}/subset", {"count": 2})],
    "POST /v1/datasets/{dataset}/prepare": [Try("/v1/datasets/{table_id}/prepare", {})],
    "GET /v1/datasets/{dataset}/preparations/{preparation}": [
        Try("/v1/datasets/{table_id}/preparations/{prep_id}"),
        Try("/v1/datasets/{own_table_id}/preparations/{prep_id}?wait=9"),
    ],
    "POST /v1/datasets/{dataset}/preparations/{preparation}/apply": [
        Try("/v1/datasets/{table_id}/preparations/{prep_id}/apply", {"accept": []}),
        Try("/v1/datasets/{own_table_id}/preparations/{prep_id}/apply", {"accept": []}),
    ],
    "POST /v1/jobs/estimate": [Try("/v1/jobs/estimate", body, blames=field) for body, field in _BODIES],
    "POST /v1/jobs": [Try("/v1/jobs", body, blames=field) for body, field in _BODIES],
    "GET /v1/jobs/{job}": [Try("/v1/jobs/{job_id}"), Try("/v1/jobs/{job_id}?wait=9")],
    "GET /v1/jobs/{job}/events": [Try("/v1/jobs/{job_id}/events"), Try("/v1/jobs/{job_id}/events?after=3&limit=5")],
    "GET /v1/jobs/{job}/events/stream": [
        Try("/v1/jobs/{job_id}/events/stream"),
        Try("/v1/jobs/{job_id}/events/stream?after=3"),
    ],
    "GET /v1/jobs/{job}/metrics": [Try("/v1/jobs/{job_id}/metrics"), Try("/v1/jobs/{job_id}/metrics?format=csv")],
    "GET /v1/jobs/{job}/checkpoints": [Try("/v1/jobs/{job_id}/checkpoints")],
    "GET /v1/jobs/{job}/results": [Try("/v1/jobs/{job_id}/results")],
    "GET /v1/jobs/{job}/advice": [Try("/v1/jobs/{job_id}/advice")],
    "POST /v1/jobs/{job}/approve": [Try("/v1/jobs/{job_id}/approve")],
    "POST /v1/jobs/{job}/decline": [
        Try("/v1/jobs/{job_id}/decline"),
        Try("/v1/jobs/{job_id}/decline", {"note": "No."}),
    ],
    "POST /v1/jobs/{job}/pause": [Try("/v1/jobs/{job_id}/pause")],
    "POST /v1/jobs/{job}/resume": [Try("/v1/jobs/{job_id}/resume")],
    "POST /v1/jobs/{job}/cancel": [Try("/v1/jobs/{job_id}/cancel")],
    "POST /v1/attention/{id}/retry": [Try("/v1/attention/{job_id}/retry")],
    "POST /v1/attention/{id}/give-up": [Try("/v1/attention/{job_id}/give-up", {"reason": "spite"})],
    "POST /v1/jobs/{job}/retry": [Try("/v1/jobs/{job_id}/retry")],
    "POST /v1/jobs/{job}/clone": [
        Try("/v1/jobs/{job_id}/clone", {"suffix": "spy"}),
        Try("/v1/jobs/{own_job_id}/clone", {"dataset": "{dset_id}"}, "#/dataset"),
    ],
    "POST /v1/jobs/{job}/move": [Try("/v1/jobs/{job_id}/move", {"connection": "conn_01m7w6kt9eepp87nc93bk07v4n"})],
    "GET /v1/models/{name}": [
        Try("/v1/models/{model}"),
        Try("/v1/models/{model_id}"),
        Try("/v1/models/{team}:{model}"),
    ],
    "PATCH /v1/models/{name}": [Try("/v1/models/{model}", {"notes": "spy"})],
    "POST /v1/models/{name}/versions": [
        Try("/v1/models/{own_model}/versions", {"job": "{job_id}"}, blames="#/job"),
        Try("/v1/models/{model}/versions", {"job": "{job_id}", "checkpoint_step": 12}, blames="#/job"),
    ],
    "GET /v1/models/{name}/versions/{number}": [Try("/v1/models/{model}/versions/1")],
    "PATCH /v1/models/{name}/versions/{number}": [Try("/v1/models/{model}/versions/1", {"notes": "spy"})],
    "PUT /v1/models/{name}/versions/{number}/retirement": [
        Try("/v1/models/{model}/versions/1/retirement", {"reason": "spite"})
    ],
    "PUT /v1/models/{name}/aliases/{alias}": [
        Try("/v1/models/{model}/aliases/production", {"version": 1}),
        Try("/v1/models/{model}/aliases/{alias}", {"version": 1}),
        Try(f"/v1/models/{SHARED_MODEL}/aliases/{{alias}}?team={{team}}", {"version": 1}),
    ],
    "GET /v1/models/{name}/aliases/{alias}": [
        Try("/v1/models/{model}/aliases/{alias}"),
        Try("/v1/models/{model}/aliases/{alias}?team={team}"),
    ],
    "DELETE /v1/models/{name}/aliases/{alias}": [Try("/v1/models/{model}/aliases/{alias}")],
    "GET /v1/models/{name}/aliases/{alias}/schedules": [Try("/v1/models/{model}/aliases/{alias}/schedules")],
    "POST /v1/models/{name}/aliases/{alias}/schedules": [
        Try("/v1/models/{model}/aliases/{alias}/schedules", {"version": 1, "starts_at": "2099-01-01T00:00:00Z"})
    ],
    "DELETE /v1/models/{name}/aliases/{alias}/schedules/{schedule}": [
        Try("/v1/models/{model}/aliases/{alias}/schedules/sched_01m7w74m4ve4esgepz92mvfgnz")
    ],
    "GET /v1/models/{name}/aliases/{alias}/history": [
        Try("/v1/models/{model}/aliases/{alias}/history"),
        Try(f"/v1/models/{SHARED_MODEL}/aliases/{{alias}}/history"),
    ],
    "POST /v1/models/{name}/aliases/{alias}/rollback": [Try("/v1/models/{model}/aliases/{alias}/rollback", {})],
    "POST /v1/models/{name}/aliases/{alias}/stop": [Try("/v1/models/{model}/aliases/{alias}/stop", {})],
    "PUT /v1/models/{name}/aliases/{alias}/protection": [Try("/v1/models/{model}/aliases/{alias}/protection", {})],
    **{
        f"{method} /v1/models/{{name}}/resolve": [
            Try("/v1/models/{model}/resolve"),
            Try("/v1/models/{model}/resolve?alias={alias}"),
            Try(f"/v1/models/{SHARED_MODEL}/resolve?alias={{alias}}"),
            Try("/v1/models/{model_id}/resolve?alias={mver_id}"),
        ]
        for method in ("GET", "HEAD")
    },
}
"""Routes that name something of a team: asked for another's they answer as if it did not exist."""

OWN: Final[dict[str, list[str]]] = {
    "GET /v1/me": ["/v1/me"],
    "GET /v1/teams": ["/v1/teams", "/v1/teams?after={team_id}"],
    "GET /v1/teams/{team}/keys": ["/v1/teams/{own_team}/keys", "/v1/teams/{own_team}/keys?limit=100&after={key_id}"],
    "GET /v1/datasets": ["/v1/datasets?limit=100", "/v1/datasets?after={dset_id}"],
    "GET /v1/jobs": [
        "/v1/jobs?limit=100",
        "/v1/jobs?after={job_id}",
        f"/v1/jobs?state=succeeded&model={BASE_MODEL}",
    ],
    "GET /v1/models": ["/v1/models?limit=100", "/v1/models?after={model_id}"],
    "GET /v1/quota": ["/v1/quota", "/v1/quota?team={own_team}"],
    "GET /v1/budget-requests": ["/v1/budget-requests?limit=100", "/v1/budget-requests?after={breq_id}"],
    "GET /v1/attention": ["/v1/attention"],
    "GET /v1/strays": ["/v1/strays"],
    "GET /v1/costs/forecast": [
        "/v1/costs/forecast",
        "/v1/costs/forecast?group_by=product&start=2020-01-01&end=2040-01-01",
    ],
    "GET /v1/costs/accuracy": ["/v1/costs/accuracy", "/v1/costs/accuracy?group_by=cost_center"],
    "GET /v1/costs/entries": [
        "/v1/costs/entries?limit=100",
        "/v1/costs/entries?format=csv",
        "/v1/costs/entries?after={own_entry_id}&team={team}",
    ],
    "GET /v1/costs/usage": [
        "/v1/costs/usage?period=2026-01",
        "/v1/costs/usage?period=2026-01&connection=default&after={usage_id}",
        "/v1/costs/usage?period=2026-01&team={own_team}&limit=100",
    ],
    "GET /v1/costs": [
        "/v1/costs?group_by=team,base_model,model,job",
        "/v1/costs?group_by=job&format=csv",
        "/v1/costs?start=2020-01-01&end=2040-01-15&group_by=team,cost_center,product,environment,provider,meter,month",
        "/v1/costs?start=2020-01-02&end=2040-01-15&group_by=day,team&sort=-cost",
        "/v1/costs?team={own_team}&team={team}",
        "/v1/costs?group_by=model",
    ],
}
"""Lists and reports: whatever they are asked for, they speak of the caller's own team only."""

EVERYBODYS: Final = {
    "GET /v1/costs/idle-models": "needs usage that was read; tests/costs/test_outlook.py has two teams and it",
    "POST /v1/teams": "an operator's; it names no team there is",
    "POST /v1/datasets": "makes something of one's own; see test_the_same_bytes_in_two_teams_are_two_datasets",
    "POST /v1/budget-requests": "makes something of one's own",
    "GET /v1/budget": "what every team inherits; no team's role may",
    "PUT /v1/budget": "the same",
    "GET /v1/limits": "what every team inherits; no team's role may",
    "PUT /v1/limits": "the same",
    **dict.fromkeys(
        (
            "GET /v1/connections",
            "POST /v1/connections",
            "GET /v1/connections/{connection}",
            "PATCH /v1/connections/{connection}",
            "POST /v1/connections/{connection}/archive",
            "POST /v1/connections/{connection}/key",
            "POST /v1/connections/{connection}/pause",
            "POST /v1/connections/{connection}/resume",
            "POST /v1/connections/{connection}/test",
            "GET /v1/connections/{connection}/tests/{test}",
            "PUT /v1/connections/{connection}/slots/{model}",
            "PUT /v1/connections/{connection}/webhook-secret",
            "PUT /v1/connections/{connection}/admin-key",
        ),
        "provider accounts are the platform's, for operators only: see tests/connections/test_api.py",
    ),
    **dict.fromkeys(
        (
            "GET /v1/usage-owners",
            "PUT /v1/connections/{connection}/usage-owners/{kind}/{external_id}",
            "DELETE /v1/connections/{connection}/usage-owners/{kind}/{external_id}",
            "GET /v1/reconciliation",
            "GET /v1/reconciliation/{reconciliation}",
            "POST /v1/reconciliation/{reconciliation}/adjust",
        ),
        "what the provider tells of all teams together, for finance and operators only",
    ),
    **dict.fromkeys(
        (
            "GET /v1/billing-periods",
            "GET /v1/billing-periods/{period}",
            "GET /v1/billing-periods/{period}/verify",
            "POST /v1/billing-periods/{period}/close",
            "POST /v1/billing-periods/{period}/reopen",
        ),
        "the books of all teams together; only finance and operators are told amounts or close them",
    ),
    **dict.fromkeys(
        (
            "POST /v1/costs/adjustments",
            "GET /v1/costs/focus/billing-periods",
            "GET /v1/costs/focus/cost-and-usage",
            "GET /v1/costs/focus/metadata",
            "POST /v1/prices",
            "POST /v1/prices/import",
        ),
        "for finance and operators only, who see all teams",
    ),
    "GET /v1/base-models": "the catalog is the same for every team",
    "GET /v1/prices": "the price book is the same for every team",
    "POST /v1/strays/{provider_job_id}/dismiss": "an operator's; strays belong to no team",
    "POST /v1/provider-webhooks/{connection}": "a provider's, who proves itself by a signature",
    "GET /problems/{code}": "what error codes mean",
    "GET /livez": "the process",
    "GET /readyz": "the process",
    "GET /openapi.json": "the API's description",
    "HEAD /openapi.json": "the API's description",
}
"""Routes with nothing in them that belongs to a team, and why."""
