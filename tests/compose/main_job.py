"""The main job over HTTP, from outside: a file of conversations becomes a model that a chatbot resolves.

    OPERATOR_KEY=tp_… python3 main_job.py first http://127.0.0.1:8000 state.json
    python3 main_job.py again http://127.0.0.1:8000 state.json      after everything was taken down and brought up again

Prints a line a check, `ok …` or `not ok …`, and ends at the first that fails. Needs nothing but the standard library,
because it runs beside the containers and not in them.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = "gpt-4o-mini-2024-07-18"


class Api:
    """One API as the holder of one key sees it."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def call(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None) -> tuple[int, Any]:
        """Status and JSON of one request."""
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        kind = "application/json" if raw is None else "application/jsonl"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        request = Request(self.url + path, data=content, method=method, headers=headers)  # noqa: S310 - http alone
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except HTTPError as refused:
            return refused.code, json.load(refused)

    def ask(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None) -> Any:
        """JSON of a request that must succeed."""
        status, answer = self.call(method, path, body, raw=raw)
        check(f"{method} {path}", status < HTTPStatus.BAD_REQUEST, f"{status} {answer}")
        return answer

    def until(self, path: str, done: Callable[[Any], bool], *, seconds: float) -> Any:
        """What `path` answers once `done` says so, or at the deadline."""
        end = time.monotonic() + seconds
        while True:
            _, answer = self.call("GET", path)
            if done(answer) or time.monotonic() > end:
                return answer
            time.sleep(0.5)

    def upload(self, name: str) -> Any:
        """A dataset whose validation has ended."""
        made = self.ask("POST", f"/v1/datasets?filename={name}", raw=(EXAMPLES / name).read_bytes())
        ended = ("ready", "invalid")
        return self.until(f"/v1/datasets/{made['id']}", lambda view: view["state"] in ended, seconds=60)


def check(what: str, holds: bool, otherwise: Any = "") -> None:
    """One line; the first check that fails is the last."""
    print(f"ok      {what}" if holds else f"not ok  {what}: {otherwise}", flush=True)
    if not holds:
        sys.exit(1)


def first(url: str, operator_key: str) -> dict[str, str]:
    """Team, keys, budget, upload, report, submit, follow, costs, promote, resolve."""
    status, _ = Api(url, "tp_prod_nobody").call("GET", "/v1/me")
    check("a made-up key is refused", status == HTTPStatus.UNAUTHORIZED, status)
    operator = Api(url, operator_key)
    operator.ask("POST", "/v1/teams", {"slug": "lighthouse", "name": "Skerrow Light"})
    operator.ask("PUT", "/v1/teams/lighthouse/budget", {"monthly_limit": "100.00"})
    made = [
        operator.ask("POST", "/v1/teams/lighthouse/keys", {"name": f"check {role}", "role": role})["key"]
        for role in ("member", "resolver")
    ]
    member, chatbot = (Api(url, key) for key in made)

    dataset = member.upload("lighthouse.jsonl")
    check("a worker finds the dataset ready", dataset["state"] == "ready", dataset)
    report = member.ask("GET", f"/v1/datasets/{dataset['id']}/report")
    check("the report prices models", bool(report["prices"]), report)

    order = {"model": MODEL, "dataset": dataset["id"], "suffix": "keeper", "register": {"name": "keeper"}}
    job = train(member, order)
    costs = member.ask("GET", "/v1/costs?group_by=team,model")
    total = Decimal(costs["total"]["cost"])
    check("costs equal the job's charge", total == Decimal(job["cost"]) > 0, f"{costs['total']} {job['cost']}")

    versions = member.until("/v1/models/keeper", has_ready_version, seconds=90)
    check("the new model answers at the provider", has_ready_version(versions), versions)
    member.ask("PUT", "/v1/models/keeper/aliases/production", {"version": 1, "reason": "the first one"})
    answer = chatbot.until("/v1/models/keeper/resolve", lambda view: "model" in view, seconds=30)
    check("a chatbot resolves it", str(answer.get("model", "")).startswith(f"ft:{MODEL}:"), answer)
    status, _ = chatbot.call("GET", "/v1/jobs")
    check("the chatbot's key does nothing else", status == HTTPStatus.FORBIDDEN, status)
    return {"member": member.key, "chatbot": chatbot.key, "model": answer["model"], "cost": job["cost"]}


def train(member: Api, order: dict[str, Any]) -> Any:
    """A job followed to its end."""
    job = member.ask("POST", "/v1/jobs", order)
    check("submitting holds money", Decimal(job["reserved"]) > 0, job)
    ended = ("succeeded", "failed", "cancelled")
    job = member.until(f"/v1/jobs/{job['id']}", lambda view: view["state"] in ended, seconds=240)
    check("the job succeeds", job["state"] == "succeeded", job)
    metrics = member.ask("GET", f"/v1/jobs/{job['id']}/metrics")["data"]
    check("its metrics were followed", bool(metrics))
    return job


def has_ready_version(model: Any) -> bool:
    """Whether some version can be promoted."""
    return any(version["state"] == "ready" for version in model.get("versions", []))


def again(url: str, state: dict[str, str]) -> None:
    """What a restart must not have lost, and that work goes on."""
    chatbot, member = Api(url, state["chatbot"]), Api(url, state["member"])
    answer = chatbot.ask("GET", "/v1/models/keeper/resolve")
    check("the same model is resolved", answer["model"] == state["model"], answer)
    total = member.ask("GET", "/v1/costs?group_by=team")["total"]["cost"]
    check("the ledger is unchanged", Decimal(total) == Decimal(state["cost"]), total)
    dataset = member.upload("lighthouse_validation.jsonl")
    check("workers take up new work", dataset["state"] == "ready", dataset)


def main() -> None:
    """`first` writes what `again` reads."""
    phase, url, state = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if phase == "first":
        state.write_text(json.dumps(first(url, os.environ["OPERATOR_KEY"])))
    else:
        again(url, json.loads(state.read_text()))


if __name__ == "__main__":
    main()
