"""The tour: from a file of conversations to a model a chatbot resolves, each step a plain HTTP request to repeat."""

import json
from pathlib import Path
from time import sleep
from typing import Any, Final, NoReturn
from uuid import uuid4

import httpx2
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.cli.local import PROVIDER_KEY, LocalStack
from service.kit.clock import monotonic

_MODEL: Final = "gpt-4o-mini-2024-07-18"
_BUDGET: Final = "100.00"
_ENDED: Final = ("succeeded", "failed", "cancelled")


class StepFailed(Exception):
    """A step of the tour did not bring what it should."""


class Tour:
    """The main job as its users would do it, step by step."""

    def __init__(self, console: Console, stack: LocalStack, operator_key: str) -> None:
        self._console, self._stack = console, stack
        self._http = httpx2.Client(base_url=stack.api_url, timeout=30)
        self._operator = operator_key
        self._member = self._chatbot = ""
        self._number = 0

    def go(self, file: Path, *, question: str | None) -> None:
        """All steps; raises StepFailed with what went wrong."""
        if not file.is_file():
            raise StepFailed(f"there is no file {file}")
        self._team()
        dataset = self._upload(file)
        self._estimate(dataset)
        job = self._submit(dataset)
        self._watch(job)
        self._costs()
        self._promote()
        model = self._resolve()
        self._ask(model, question or _question_of(file))

    # ----------------------------------------------------------------------------------------------------- the steps
    def _team(self) -> None:
        self._step("A team, its budget, and keys for a developer and a chatbot")
        team = self._call("POST", "/v1/teams", key=self._operator, json={"slug": "lighthouse", "name": "Skerrow Light"})
        budget = self._call("PUT", "/v1/teams/lighthouse/budget", key=self._operator, json={"monthly_limit": _BUDGET})
        made = {
            role: self._call(
                "POST", "/v1/teams/lighthouse/keys", key=self._operator, json={"name": f"demo {role}", "role": role}
            )["key"]
            for role in ("member", "resolver")
        }
        self._member, self._chatbot = made["member"], made["resolver"]
        self._say(f"{team['id']} may spend {budget['limit']} {budget['currency']} this month")

    def _upload(self, file: Path) -> str:
        self._step(f"Upload {file.name} ({file.stat().st_size:,} bytes)")
        with file.open("rb") as content:
            dataset = self._call(
                "POST", "/v1/datasets", params={"filename": file.name}, content=content,
                headers={"Content-Type": "application/jsonl"},
            )  # fmt: skip
        path = f"/v1/datasets/{dataset['id']}"
        with self._console.status("a worker checks every line and counts every token …"):
            dataset = self._until(path, lambda view: view["state"] in ("ready", "invalid"))
        report = self._call("GET", f"{path}/report")
        if dataset["state"] == "invalid":
            self._refuse(file, report)
        self._show_report(dataset, report)
        return str(dataset["id"])

    def _estimate(self, dataset: str) -> None:
        self._step("What would it cost?")
        estimate = self._call("POST", "/v1/jobs/estimate", json=self._request(dataset))
        if estimate["status"] != "available":
            raise StepFailed(f"no price: {estimate['message']}")
        self._say(
            f"{estimate['tokens']:,} tokens ({estimate['epochs']} epochs) × {estimate['unit_price']} a million = "
            f"[bold]{estimate['price']['high']} {estimate['currency']}[/]; "
            f"{estimate['budget_left']} left in the budget"
        )
        if not estimate["fits_budget"]:
            raise StepFailed("it does not fit the demo's budget; try a smaller file")

    def _submit(self, dataset: str) -> str:
        self._step("Submit the job, twice under one Idempotency-Key: it stays one job")
        headers = {"Idempotency-Key": f"demo-{uuid4()}"}
        job = self._call("POST", "/v1/jobs", json=self._request(dataset), headers=headers)
        again = self._call("POST", "/v1/jobs", json=self._request(dataset), headers=headers)
        if again["id"] != job["id"]:
            raise StepFailed("the same key made a second job")
        self._say(f"{job['id']} holds {job['reserved']} {job['currency']} of the budget")
        return str(job["id"])

    def _watch(self, job: str) -> None:
        self._step("Follow it at the provider", f"GET /v1/jobs/{job}/metrics")
        columns = (
            TextColumn("   {task.description:<18}"), BarColumn(40), MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"), TimeElapsedColumn(),
        )  # fmt: skip
        with Progress(*columns, console=self._console) as progress:
            bar = progress.add_task("queued", total=None, loss="–")

            def look(view: dict[str, Any]) -> bool:
                points = [p for p in self._quiet(f"/v1/jobs/{job}/metrics")["data"] if p["train_loss"] is not None]
                if points:
                    last = points[-1]
                    progress.update(
                        bar, completed=last["step"], total=last["total_steps"],
                        loss=f"{points[0]['train_loss']:.2f} → {last['train_loss']:.2f}",
                    )  # fmt: skip
                progress.update(bar, description=view["state"])
                return view["state"] in _ENDED

            ended = self._until(f"/v1/jobs/{job}", look, within=90)
        if ended["state"] != "succeeded":
            raise StepFailed(f"the job {ended['state']}: {ended['error']}")
        for event in self._quiet(f"/v1/jobs/{job}/events?after={ended['events'] - 5}")["data"]:
            self._console.print(f"   [dim]{event['seq']:>3} {escape(event['message'])}[/]", soft_wrap=True)
        self._say(f"{ended['trained_tokens']:,} tokens trained, charged [bold]{ended['cost']} {ended['currency']}[/]")

    def _costs(self) -> None:
        self._step("The team's costs")
        report = self._call("GET", "/v1/costs", params={"group_by": "model"})
        table = Table("model", "reserved", "cost", box=None, padding=(0, 2, 0, 3))
        for column in table.columns:
            column.no_wrap = True
        for row in report["rows"]:
            table.add_row(row["model"], row["reserved"], row["cost"])
        total = report["total"]
        table.add_row("[bold]total", f"[bold]{total['reserved']}", f"[bold]{total['cost']}")
        self._console.print(table, soft_wrap=True)

    def _promote(self) -> None:
        self._step("The model answers at the provider: make it the one in production")

        def is_ready(view: dict[str, Any]) -> bool:
            return any(version["state"] == "ready" for version in view["versions"])

        with self._console.status("the registry probes the new model …"):
            self._until("/v1/models/keeper", is_ready)
        self._call("PUT", "/v1/models/keeper/aliases/production", json={"version": 1, "reason": "the first one"})

    def _resolve(self) -> str:
        self._step("What a chatbot asks, thousands of times a second, with its own key")
        path = "/v1/models/keeper/resolve"
        answer = self._until(path, lambda view: "model" in view, key=self._chatbot)
        etag = self._http.get(path, headers=self._bearer(self._chatbot)).headers["etag"]
        again = self._http.get(path, headers={**self._bearer(self._chatbot), "If-None-Match": etag})
        self._say(f"[bold]{answer['model']}[/]; asked again with its ETag: {again.status_code}")
        return str(answer["model"])

    def _ask(self, model: str, question: str) -> None:
        self._step("The same question to both models", f"POST {self._stack.emulator_url}/v1/chat/completions")
        self._console.print(f"   [italic]{escape(question[:300])}[/]")
        for name, title in ((model, "tuned"), (_MODEL, "base")):
            answer = httpx2.post(
                f"{self._stack.emulator_url}/v1/chat/completions",
                headers=self._bearer(PROVIDER_KEY),
                json={"model": name, "messages": [{"role": "user", "content": question}]},
                timeout=30,
            )
            if answer.is_error:
                raise StepFailed(f"{name} did not answer: {answer.text}")
            said = _said(answer.json()["choices"][0]["message"])
            self._console.print(Panel(escape(said), title=f"{title}: {name}", title_align="left", width=100))

    # ------------------------------------------------------------------------------------------------------- the parts
    @staticmethod
    def _request(dataset: str) -> dict[str, Any]:
        return {"model": _MODEL, "dataset": dataset, "suffix": "keeper", "register": {"name": "keeper"}}

    def _show_report(self, dataset: dict[str, Any], report: dict[str, Any]) -> None:
        counted = report["tokens"][0]
        self._say(
            f"{dataset['id']}: {report['examples']} examples, {counted['per_example']['total']:,} tokens "
            f"({counted['assistant']['total']:,} of them taught), {report['errors']} errors, "
            f"{report['warnings']} warnings"
        )
        for problem in report["problems"][:3]:
            self._console.print(f"   [yellow]{_place(problem)}: {escape(problem['message'])}[/]", soft_wrap=True)
        table = Table("model", "epochs", "billed tokens", "price", box=None, padding=(0, 2, 0, 3))
        for price in report["prices"]:
            billed = f"{price['tokens']:,}" if price["tokens"] is not None else "–"
            table.add_row(price["model"], str(price["epochs"]), billed, price["price"] or price["unavailable"])
        self._console.print(table)

    def _refuse(self, file: Path, report: dict[str, Any]) -> NoReturn:
        for problem in report["problems"][:10]:
            said = f"{_place(problem)}: {problem['code']}: {escape(problem['message'])}"
            self._console.print(f"   [red]{said}[/]", soft_wrap=True)
        raise StepFailed(f"{file.name} cannot be trained on: {report['problems'][0]['message']}")

    def _step(self, what: str, request: str = "") -> None:
        self._number += 1
        self._console.print(f"\n[bold cyan]{self._number}. {escape(what)}[/]")
        if request:
            self._console.print(f"   [dim]{request}[/]", soft_wrap=True)

    def _say(self, what: str) -> None:
        self._console.print(f"   {what}", soft_wrap=True)

    def _call(self, method: str, path: str, *, key: str = "", **options: Any) -> dict[str, Any]:
        """One request, shown with its answer's status. Raises StepFailed for anything but success."""
        headers = {**self._bearer(key or self._member), **options.pop("headers", {})}
        answer = self._http.request(method, path, headers=headers, **options)
        self._console.print(
            f"   [dim]{method} {answer.url.raw_path.decode()} → {answer.status_code}[/]", soft_wrap=True
        )
        if answer.is_error:
            raise StepFailed(f"{method} {path} was answered {answer.status_code}: {_detail(answer)}")
        body: dict[str, Any] = answer.json()
        return body

    def _quiet(self, path: str, *, key: str = "") -> dict[str, Any]:
        body: dict[str, Any] = self._http.get(path, headers=self._bearer(key or self._member)).json()
        return body

    def _until(self, path: str, done: Any, *, key: str = "", within: float = 30) -> dict[str, Any]:
        """Ask until `done` says so; raises StepFailed when that takes too long."""
        end = monotonic() + within
        pause = 0.05
        while monotonic() < end:
            view = self._quiet(path, key=key)
            if done(view):
                return view
            sleep(pause)
            pause = min(pause * 1.5, 0.4)
        raise StepFailed(f"GET {path} did not get there within {within:.0f} s; last answer: {json.dumps(view)[:300]}")

    @staticmethod
    def _bearer(key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def tell_how_to_go_on(self) -> None:
        """Addresses, the key, and three requests to start from."""
        url, key = self._stack.api_url, self._member
        lines = [
            f"[bold]It stays up.[/] API {url}, emulator {self._stack.emulator_url}/v1, team key:",
            key,
            "",
            f'curl -H "Authorization: Bearer {key}" {url}/v1/jobs',
            f'curl -H "Authorization: Bearer {key}" "{url}/v1/costs?group_by=team,model&format=csv"',
            f'curl -H "Authorization: Bearer {self._chatbot}" -H "Accept: text/plain" {url}/v1/models/keeper/resolve',
            "",
            "Ctrl-C stops everything.",
        ]
        self._console.print()
        for line in lines:
            self._console.print(line, soft_wrap=True)


def _said(message: dict[str, Any]) -> str:
    """What an assistant message says: its text, or the calls it makes instead."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return str(message.get("content") or "\n".join(f"→ {call['name']}({call['arguments']})" for call in calls))[:600]


def _place(problem: dict[str, Any]) -> str:
    return f"line {problem['line']}" if problem["line"] else "the file"


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]


def _question_of(file: Path) -> str:
    """The first question of the file, word for word."""
    with file.open(encoding="utf-8-sig") as lines:
        messages = json.loads(next(lines))["messages"]
    asked = [message["content"] for message in messages if message.get("role") == "user" and message.get("content")]
    return str(asked[0]) if asked else "What can you tell me?"
