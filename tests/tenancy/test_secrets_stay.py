"""Canaries go through the main job and its failures; afterwards every place that keeps something is searched for them.

One platform of its own lives through it all once (`aftermath`), logging at DEBUG; then each test searches one place.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service import connections
from service.cli.local import PYTHON, LocalStack
from service.kit.db import unit_of_work
from service.kit.identity import CLI
from service.kit.ids import read
from tests.conftest import Launch
from tests.stack import Client, Emulator, Platform, Team
from tests.tenancy.world import BASE_MODEL, admin_url
from tests.until import until

# One word that no dictionary has, so that a quoted part is found too; between blanks, so that it is nobody's label.
WORD: Final = f"quorfendale{uuid4().hex[:12]}"
SENTENCE: Final = f"the patient of {WORD} street has told us"
# What somebody's training text gives away: masked even where an example of theirs is shown.
PLANTED: Final = f"AKIA{base64.b32encode(uuid4().bytes).decode()[:16]}"
PROVIDER_KEY: Final = f"proj-{uuid4().hex}"  # unlike the provider's own, so that no pattern blanks it
ADMIN_KEY: Final = f"sk-admin-{uuid4().hex}"
IN_A_HURRY: Final = {
    "backoff_cap_seconds": "0.2", "quiet_seconds": "0.4", "search_interval_seconds": "0.1", "rehint_seconds": "0.2",
    "follow_seconds": "0.1", "probe_seconds": "0.1", "lock_busy_seconds": "0.1",
}  # fmt: skip
CREATE: Final = {"method": "POST", "path": "^/v1/fine_tuning/jobs$"}


@dataclass
class Aftermath:
    """What a platform has left behind, by place, and the secrets that went through it."""

    stack: LocalStack
    secrets: dict[str, str]
    answers: list[str] = field(default_factory=list)
    hints: str = ""


def training_text() -> bytes:
    """Valid, with the sentence wherever a file has text."""
    call = {"id": "c1", "type": "function", "function": {"name": "note", "arguments": json.dumps({"what": SENTENCE})}}
    tool = {"type": "function", "function": {"name": "note", "description": SENTENCE, "parameters": {}}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": f"{SENTENCE}; the key is {PLANTED}"},
        {"role": "user", "content": SENTENCE, "name": "ann"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": SENTENCE},
        {"role": "assistant", "content": SENTENCE},
    ]
    lines = ({"messages": [*messages[:-1], {**messages[-1], "content": f"{SENTENCE} {n}"}], "tools": [tool]}
             for n in range(12))  # fmt: skip
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def broken_text() -> bytes:
    """Wrong in every place a report could quote."""
    ask, say = {"role": "user", "content": SENTENCE}, {"role": "assistant", "content": SENTENCE}
    wrong = [
        {"messages": [ask, {"role": SENTENCE, "content": SENTENCE}]},
        {"messages": [ask, {**say, SENTENCE: SENTENCE}], SENTENCE: SENTENCE},
        {"messages": [{"role": "user", "content": {"text": SENTENCE}}, say]},
        {"messages": [{"role": "user", "content": [{"type": SENTENCE, "text": SENTENCE}]}, say]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": SENTENCE}}]}, say]},
        {"messages": [ask, {**say, "weight": SENTENCE, "name": [SENTENCE]}]},
        {"messages": [ask, {"role": "assistant", "tool_calls": [
            {"id": SENTENCE, "type": SENTENCE, "function": {"name": SENTENCE, "arguments": SENTENCE}}]}]},
        {"messages": [{"role": "tool", "tool_call_id": SENTENCE, "content": SENTENCE}, say]},
        {"messages": SENTENCE, "tools": SENTENCE},
        {"prompt": SENTENCE, "completion": SENTENCE},
        [SENTENCE],
        SENTENCE,
    ]  # fmt: skip
    lines = [json.dumps(line).encode() for line in wrong]
    lines += [b'{"messages": "' + SENTENCE.encode(), SENTENCE.encode(), SENTENCE.encode() + b" \xff\xfe"]
    good = json.dumps({"messages": [ask, say]}).encode()
    return b"\n".join([*[good] * 30, *lines])


@pytest.fixture(scope="module")
def aftermath(launch: Launch) -> Iterator[Aftermath]:
    with ExitStack() as cleanup:
        stack = launch(cleanup, settings={"log_level": "DEBUG"} | IN_A_HURRY)
        with unit_of_work(CLI) as session:
            connections.replace_key(session, CLI, "default", SecretStr(PROVIDER_KEY))
            connections.set_admin_key(session, CLI, "default", SecretStr(ADMIN_KEY))
        start_emulator(stack)
        stack.start_api()
        stack.start_dispatcher()
        platform = Platform(stack)
        team = platform.team()
        told = Aftermath(stack, secrets_of(stack, platform, team))
        team.member.http.event_hooks = {"response": [lambda answer: told.answers.append(answer.read().decode())]}
        live_through(told, team, Emulator(stack.emulator_url))
        yield told


def start_emulator(stack: LocalStack) -> None:
    """One that knows our canary of a key."""
    command = [str(PYTHON), "-m", "emulator", "--port", str(stack.emulator_port), "--speed", "400"]
    stack.processes.start(
        "emulator",
        [*command, "--key", f"{PROVIDER_KEY}=proj_ours", "--key", f"{ADMIN_KEY}=proj_owner"],
        stack.environment,
    )
    stack._wait_for("emulator", f"{stack.emulator_url}/_emulator/log")


def secrets_of(stack: LocalStack, platform: Platform, team: Team) -> dict[str, str]:
    """By name, the part of each that nobody else may know."""
    return {
        "training text": WORD,
        "a secret in it": PLANTED,
        "a member's key": team.member.key.split("_")[3],
        "an admin's key": team.admin.key.split("_")[3],
        "the operator's key": platform.operator.key.split("_")[3],
        "the provider's key": PROVIDER_KEY,
        "the organisation's admin key": ADMIN_KEY.removeprefix("sk-admin-"),
        "the pepper": stack.environment["TUNEPLANE_KEY_PEPPER"],
        "the master key": stack.environment["TUNEPLANE_MASTER_KEY"],
    }


def live_through(told: Aftermath, team: Team, emulator: Emulator) -> None:
    """The main job, and what can go wrong on its way."""
    member = team.member
    files = {
        "canary.jsonl": training_text(),
        "broken.jsonl": broken_text(),
        "table.csv": f"{SENTENCE},{SENTENCE}\n{SENTENCE},{SENTENCE}\n".encode(),
        "text.txt": SENTENCE.encode(),
    }
    posted = [member.post(f"/v1/datasets?filename={name}", content=files[name]).json()["id"] for name in files]
    # Nobody takes hints yet: here they lie.
    told.hints = until(lambda: hints_about(told.stack, posted[0]), what="a hint about the dataset")
    told.stack.start_worker()
    verdicts = [until(lambda one=one: verdict_on(member, one), within=30) for one in posted]  # type: ignore[misc]
    assert verdicts == ["ready", "invalid", "invalid", "invalid"]
    read_in_every_way(told, team, posted)
    fail_in_every_way(team, emulator, posted[0])
    refuse_in_every_way(told, team)
    for path in ("/v1/datasets", "/v1/jobs", "/v1/models", "/v1/costs", "/v1/me"):
        assert member.get(path).status_code == 200


def verdict_on(member: Client, dataset: str) -> str | None:
    report = member.get(f"/v1/datasets/{dataset}/report")
    return report.json()["state"] if report.status_code == 200 else None


def read_in_every_way(told: Aftermath, team: Team, posted: list[str]) -> None:
    """What is said of the files; and what is shown of them, which only whoever may read them gets, and masked."""
    reader = Client(told.stack.api_url, team.member.key)  # its answers are not among those searched for training text
    said = ("report.html", f"report?counting=notebook&validation={posted[0]}", "problems", "problems?format=csv")
    answers = [team.member.get(f"/v1/datasets/{dataset}/{what}") for dataset in posted for what in said]
    asked = ("sample=100", "line=1", "code=secret_aws_key")
    shown = [reader.get(f"/v1/datasets/{dataset}/examples?{what}") for dataset in posted for what in asked]
    assert {one.status_code for one in (*answers, *shown)} == {200}
    assert WORD in shown[0].text
    assert not [one.url for one in shown if PLANTED in one.text]
    assert team.member.get(f"/v1/datasets/{posted[0]}/problems?code=secret_aws_key").json()["total"] == 12


def fail_in_every_way(team: Team, emulator: Emulator, dataset: str) -> None:
    """At every call of a job's life, while three of them are under way; one of these is refused for good."""
    emulator.fault(kind="status", status=401, path="^/v1/files")
    emulator.fault(kind="garbage", path="^/v1/files")
    emulator.fault(kind="create_then_500", **CREATE)
    emulator.fault(kind="garbage", **CREATE)
    emulator.fault(kind="status", status=400, code="invalid_training_file", message="No.", **CREATE)
    emulator.fault(kind="garbage", method="GET", path="^/v1/fine_tuning/jobs$")
    emulator.fault(kind="status", status=401, method="GET", path="^/v1/fine_tuning/jobs/ftjob")
    emulator.fault(kind="garbage", path="/events$", times=2)
    emulator.fault(kind="garbage", path="^/v1/chat")
    jobs = [team.submit(dataset, register={"name": "keeper"}).json()["id"] for _ in range(3)]
    ended = [team.job_in(job, "succeeded", "failed")["state"] for job in jobs]
    assert sorted(ended) == ["failed", "succeeded", "succeeded"]
    for job in jobs:
        assert team.member.get(f"/v1/jobs/{job}/events?limit=500").status_code == 200
    until(lambda: emulator_has_nothing_left(emulator), within=20, what="every fault to have struck")


def emulator_has_nothing_left(emulator: Emulator) -> bool:
    return all(fault["hits"] == fault["times"] for fault in emulator.faults()["faults"])


def refuse_in_every_way(told: Aftermath, team: Team) -> None:
    """Requests that never should have been sent, with what never should have been in them."""
    url, key = told.stack.api_url, team.admin.key
    job = {"model": BASE_MODEL, "dataset": "dset_01m7w6kt9eepp87nc93bk07v4n"}
    member = team.member
    member.post("/v1/jobs", content=SENTENCE)
    member.post("/v1/jobs", content=f'{{"model": "{SENTENCE}', headers={"Content-Type": "application/json"})
    member.post("/v1/jobs", {**job, "dataset": 7, "seed": key, "method": SENTENCE})
    member.post("/v1/jobs/estimate", {**job, "dataset": [SENTENCE], "metadata": {"k": [key]}})
    member.post("/v1/datasets", content=SENTENCE, headers={"Content-Encoding": "gzip"})
    for wrong in (key[:-1], key.replace("_", "-"), f"{key}x", f"sk-{WORD}"):
        told.answers.append(Client(url, wrong).get("/v1/me").text)
    # What is asked for by name is named in the answer, to whoever asked; it is not written down anywhere.
    curious = Client(url, member.key)
    curious.get(f"/v1/jobs/{key}")
    curious.get("/v1/jobs", params={"after": key, "model": SENTENCE})
    curious.post("/v1/jobs", {**job, "model": SENTENCE, SENTENCE: key})
    curious.get("/v1/me", headers={"x-request-id": SENTENCE, "Cookie": key, "User-Agent": key})
    curious.get("/v1/me", headers={"Authorization": f"Basic {key}"})


# ----------------------------------------------------------------------------------------------------- where to search
def hints(stack: LocalStack) -> str:
    """Everything in the broker, with the bodies of messages read."""
    with Redis.from_url(stack.valkey.url(), decode_responses=True) as client:
        readers: dict[str, Any] = {
            "string": client.get, "list": lambda key: client.lrange(key, 0, -1), "set": client.smembers,
            "hash": client.hgetall, "zset": lambda key: client.zrange(key, 0, -1),
        }  # fmt: skip
        kept = {key: str(readers[client.type(key)](key)) for key in client.keys("*")}
    bodies = re.findall(r'"body": "([A-Za-z0-9+/=]+)"', str(kept))
    return f"{kept} {[base64.b64decode(body) for body in bodies]}"


def hints_about(stack: LocalStack, dataset: str) -> str | None:
    """The same, once it speaks of the dataset."""
    found = hints(stack)
    return found if str(read("dset", dataset)) in found else None


def logs_of(stack: LocalStack) -> str:
    return "\n".join(file.read_text(errors="replace") for file in sorted((stack.folder / "logs").glob("*.log")))


def servers_logs(stack: LocalStack) -> str:
    files = [server.root / "data" / "server.log" for server in (stack.postgres, stack.valkey)]
    return "\n".join(file.read_text(errors="replace") for file in files)


def rows_of_all_tables(stack: LocalStack) -> str:
    with psycopg.connect(admin_url(stack)) as connection:
        tables = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                                    "AND relkind IN ('r', 'p')").fetchall()  # fmt: skip
        queries = [sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(name)) for (name,) in tables]
        return "\n".join(row for query in queries for (row,) in connection.execute(query))


def stored(stack: LocalStack, *, files_of_teams: bool) -> str:
    """What lies in storage: the files that teams posted, or all that was put beside them."""
    found = [file for file in (stack.folder / "objects").rglob("*") if file.is_file()]
    chosen = [file for file in found if (file.name == "content") == files_of_teams]
    return "\n".join(file.read_text(errors="replace") for file in chosen)


# How to read a place, and what must be there, or it was not the right place.
PLACES: Final[dict[str, tuple[Callable[[Aftermath], str], tuple[str, ...]]]] = {
    "logs": (lambda told: logs_of(told.stack), ("http.request", "dataset.validated", "job.outcome_unknown")),
    "the servers' logs": (lambda told: servers_logs(told.stack), ("ready to accept connections", "Server initialized")),
    "tables": (lambda told: rows_of_all_tables(told.stack), ("canary.jsonl", "invalid_training_file", "job.submitted")),
    "hints": (lambda told: told.hints + hints(told.stack), ("datasets.validate",)),
    "answers": (lambda told: "\n".join(told.answers), ("canary.jsonl", "invalid_training_file", "cost_report")),
    "posted files": (lambda told: stored(told.stack, files_of_teams=True), (WORD, PLANTED)),
    "what lies beside them": (
        lambda told: stored(told.stack, files_of_teams=False),
        ("secret_aws_key", "unknown_role"),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_kept_where_it_does_not_belong(aftermath: Aftermath, place: str) -> None:
    """Plain, or as the hexadecimal digits that Postgres shows bytes in."""
    find, known = PLACES[place]
    kept = find(aftermath)
    for control in known:
        assert control in kept, f"{place}: not what was meant to be searched"
    found = [
        (name, kept[max(0, at - 300) : at + 100])
        for name, secret in aftermath.secrets.items()
        for at in (kept.find(secret), kept.find(secret.encode().hex()))
        if at >= 0 and not (place == "posted files" and name in {"training text", "a secret in it"})
    ]
    assert found == []


def test_the_second_lock_on_the_logs_had_nothing_to_do(aftermath: Aftermath) -> None:
    """What looks like a credential is blanked, but nothing of the kind was sent there to begin with."""
    assert "[redacted]" not in logs_of(aftermath.stack)


def test_an_error_of_the_database_does_not_quote_the_statements_parameters(aftermath: Aftermath) -> None:
    """It ends up in a log, and the parameters are what somebody has sent us."""
    with pytest.raises(DBAPIError) as error, unit_of_work(CLI) as session:
        session.execute(text("SELECT 1 / (length(:text) - length(:text))"), {"text": SENTENCE})
    assert WORD not in str(error.value)
