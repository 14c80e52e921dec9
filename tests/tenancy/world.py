"""Two teams with something of everything, and the doors through which one tries to reach what the other has."""

import re
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Any, Final

import psycopg
from psycopg import sql

from service import connections, tenants
from service.cli.local import LocalStack
from service.connections import MeteredAccount
from service.costs.metering import commands as metering
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import SYSTEM, worker_for
from service.kit.ids import new_id, read, show
from service.provider.shapes import RemoteUsage
from service.registry.models import AliasSchedule, ModelShare
from service.tenants import Role
from tests.stack import Client, Platform, Team, conversations
from tests.until import until
from workers.schedule import fold_costs

SHARED_MODEL: Final = "atlas"  # a name that both teams chose
ROLES: Final = (Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.RESOLVER)
BASE_MODEL: Final = "gpt-4o-mini-2024-07-18"
_PREFIXES: Final = ("team", "key", "dset", "prep", "job", "model", "mver", "breq")
_ID: Final = re.compile(rf"\b(?:{'|'.join(_PREFIXES)})_[0-9a-z]{{26}}\b|\bft:[\w:.-]+|\bftjob-\w+")

NOBODYS: Final = {
    "team": "nobodys-team",
    "model": "nobodys-model",
    "alias": "nobodys-alias",
    "table_id": show("dset", new_id()),
    "entry_id": show("entry", new_id()),
    "usage_id": show("usage", new_id()),
    **{f"{prefix}_id": show(prefix, new_id()) for prefix in _PREFIXES},
}
"""Names like a tenant's that stand for nothing."""


class Tenant:
    """A team whose users put `word` into every text they may choose. `await_end` before looking at it."""

    def __init__(self, platform: Platform, word: str, *, budget: str, models: Sequence[str]) -> None:
        self.word, self.models, self.budget = word, models, budget
        self.team: Team = platform.team(
            budget=budget, name=f"The {word} team", cost_center=word, product=word, environment=word, contact=word
        )
        assert self.team.operator.put(f"/v1/teams/{self.team.slug}/limits", {"weight": 1}).status_code == 200
        self._clients = {role: self.team.client(role) for role in ROLES}
        self.dataset = self.post_dataset(f"{word} tide")
        self.validation = self.post_dataset(f"{word} moon")
        self.post_dataset(f"{word} sea", count=400)  # large enough to be read in ranges
        self.table, self.preparation = self._prepare_table()
        self.request = self._ask_for_budget()
        self.jobs = [self._submit(model, f"monday {n}") for n, model in enumerate(models)]

    def client(self, role: Role = Role.MEMBER) -> Client:
        return self._clients[role]

    def post_dataset(self, topic: str, *, count: int = 12) -> str:
        dataset = self.team.ready_dataset(conversations(count, topic=topic), f"{self.word}.jsonl")
        assert dataset["state"] == "ready", dataset
        return str(dataset["id"])

    def _prepare_table(self) -> tuple[str, str]:
        """A table, and what preparing it would change."""
        rows = "".join(f"{self.word} {n},{self.word}-{n % 3}\n" for n in range(30))
        table = self.team.ready_dataset(f"text,label\n{rows}".encode(), f"{self.word}.csv")["id"]
        asked = self.team.member.post(f"/v1/datasets/{table}/prepare", {"system": self.word})
        assert asked.status_code == 202, asked.text
        read_ = self.team.member.get(f"{asked.headers['location']}?wait=30").json()
        assert read_["state"] == "ready", read_
        return str(table), str(read_["id"])

    def _ask_for_budget(self) -> str:
        asked = self.team.member.post("/v1/budget-requests", {"amount": "77.07", "reason": self.word})
        assert asked.status_code == 201, asked.text
        return str(asked.json()["id"])

    def _submit(self, model: str, idempotency_key: str) -> str:
        answer = self.team.submit(
            self.dataset,
            validation_dataset=self.validation,
            suffix=self.word,
            metadata={self.word: self.word},
            register={"name": model},
            headers={"Idempotency-Key": idempotency_key},
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def await_end(self) -> "Tenant":
        """Until all jobs have ended and every model has a version in production."""
        for job in self.jobs:
            assert self.team.collected(job)["state"] == "succeeded"
        for model in set(self.models):
            until(lambda model=model: self._all_ready(model), what=f"{model} to answer")  # type: ignore[misc]
            for alias in ("production", self.word):
                self.promote(model, alias)
        self._share_and_schedule()
        for limit in ("0.00", self.budget):  # so that thresholds have been reached
            self._set_budget(limit)
        self._use_models()
        return self

    def _share_and_schedule(self) -> None:
        """A model that another team may read, and a move of it that was called off."""
        team_id = read("team", self.team.id)
        model_id = read("model", self.client().get(f"/v1/models/{self.models[0]}").json()["id"])
        of_model: dict[str, Any] = {"team_id": team_id, "model_id": model_id}
        with unit_of_work(worker_for(team_id)) as session:
            session.add(ModelShare(**of_model, shared_with=new_id(), slug=self.word))
            session.add(
                AliasSchedule(
                    **of_model, id=new_id(), alias=self.word, starts_at=clock.now(), reason=self.word, by="key_test",
                    role="admin", targets=[{"version": 1, "weight": 10_000}], state="cancelled",
                )
            )  # fmt: skip

    def _use_models(self) -> None:
        """Usage as a provider tells it, of a key that is the team's; and what all has cost, summed up."""
        key = f"key_{self.word}"
        owner = f"/v1/connections/default/usage-owners/api_key/{key}"
        assert self.team.operator.put(owner, {"team": self.team.slug}).status_code == 200
        at, used = clock.now(), RemoteUsage(
            day=date(2026, 1, 15), project=self.word, api_key=key, model=f"ft:{BASE_MODEL}:acme::{self.word}",
            tier="standard", input_tokens=1_000, cached_input_tokens=0, output_tokens=0, requests=1,
        )  # fmt: skip
        with unit_of_work(SYSTEM) as session:
            facts = connections.account(session, "default")
            metering.take(session, MeteredAccount(facts.id, facts.provider, None), [used], at=at)
        with unit_of_work(worker_for(read("team", self.team.id))) as session:
            metering.book(session, tenants.team(session, read("team", self.team.id)), at=at)
        fold_costs()

    def _all_ready(self, model: str) -> bool:
        versions = self.client().get(f"/v1/models/{model}").json()["versions"]
        return {one["state"] for one in versions} == {"ready"}

    def _set_budget(self, limit: str) -> None:
        put = self.team.operator.put(f"/v1/teams/{self.team.slug}/budget", {"monthly_limit": limit})
        assert put.status_code == 200, put.text

    def promote(self, model: str, alias: str) -> None:
        made = self.client().put(f"/v1/models/{model}/aliases/{alias}", {"version": 1, "reason": self.word})
        assert made.status_code == 200, made.text

    @cached_property
    def names(self) -> dict[str, str]:
        """How what this team has is called in a request; `NOBODYS` has the same entries."""
        admin = self.client(Role.ADMIN)
        model = admin.get(f"/v1/models/{self.models[0]}").json()
        return {
            "team": self.team.slug,
            "team_id": self.team.id,
            "key_id": admin.get("/v1/me").json()["key"],
            "dset_id": self.dataset,
            "table_id": self.table,
            "prep_id": self.preparation,
            "job_id": self.jobs[0],
            "breq_id": self.request,
            "model": self.models[0],
            "model_id": model["id"],
            "mver_id": model["versions"][0]["id"],
            "alias": self.word,
            "entry_id": admin.get("/v1/costs/entries").json()["data"][0]["id"],
            "usage_id": admin.get("/v1/costs/usage?period=2026-01").json()["data"][0]["id"],
        }

    def marks(self) -> set[str]:
        """Strings of which none may be in an answer to somebody else: ids in both spellings, names, texts, money."""
        admin = self.client(Role.ADMIN)
        own = f"/v1/teams/{self.team.slug}"
        views = [
            "/v1/me",
            f"{own}/keys",
            f"{own}/budget",
            "/v1/datasets",
            "/v1/jobs",
            "/v1/models",
            "/v1/budget-requests",
        ]
        views.append(f"/v1/datasets/{self.table}/preparations/{self.preparation}")
        shown = set(_ID.findall(" ".join(admin.get(view).text for view in views)))
        assert len(shown) > 2 * len(_PREFIXES)
        shown.remove(self.team.operator.get("/v1/me").json()["key"])  # who made the keys, of all teams
        uuids = {str(read(one.partition("_")[0], one)) for one in shown if not one.startswith("ft")}
        return shown | uuids | {self.word, self.team.slug, self.budget}


class Door:
    """One API, over the same database as all others."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._known: dict[str, Client] = {}

    def client(self, tenant: Tenant, role: Role = Role.MEMBER) -> Client:
        """The tenant's key at this door, once the models resolved from memory know it."""
        return self.with_key(tenant.client(role).key)

    def with_key(self, key: str) -> Client:
        """The same for any key."""
        if key not in self._known:
            client = Client(self.url, key)
            until(lambda: client.get("/v1/models/x/resolve").status_code != 401, what="the key to be known")
            self._known[key] = client
        return self._known[key]


def admin_url(stack: LocalStack) -> str:
    """The superuser's way in, for psycopg."""
    return stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"].replace("+psycopg", "")


def rows_of(stack: LocalStack, team: str) -> dict[str, list[str]]:
    """Everything the database holds of a team, by table, as a superuser sees it."""
    team_id = read("team", team)
    rows: dict[str, list[str]] = {}
    with psycopg.connect(admin_url(stack)) as connection:
        for table in tables_of_teams(connection):
            names = {"table": sql.Identifier(table), "team": team_column(table)}
            query = sql.SQL("SELECT t::text FROM {table} AS t WHERE {team} = %s ORDER BY 1").format(**names)
            rows[table] = [row for (row,) in connection.execute(query, [team_id])]
    return rows


def tables_of_teams(connection: psycopg.Connection[Any]) -> list[str]:
    """Tables with a team_id, and `teams`."""
    found = connection.execute(
        "SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname = 'team_id'"
    )
    return sorted({name for (name,) in found} | {"teams"})


def team_column(table: str) -> sql.Identifier:
    """Where a table says whose a row is."""
    return sql.Identifier("id" if table == "teams" else "team_id")
