"""For those who look into a dataset: an API whose datasets the test itself checks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2

from service import tenants
from service.kit.db import unit_of_work
from service.kit.identity import worker_for
from service.kit.ids import read
from tests.conftest import Launch
from tests.datasets.factories import Shelf
from tests.stack import Platform, Team


class Looker:
    """A team that posts, and then reads."""

    def __init__(self, team: Team) -> None:
        self.team = team
        with unit_of_work(worker_for(read("team", team.id))) as session:
            self._shelf = Shelf(tenants.team(session, read("team", team.id)))

    def post(self, content: bytes) -> str:
        """A dataset that was checked, in ranges of 64 KiB."""
        made = self.team.member.post(
            "/v1/datasets?filename=tide.jsonl", content=content, headers={"Content-Type": "application/jsonl"}
        )
        assert made.status_code == 202, made.text
        dataset = str(made.json()["id"])
        self.check(dataset)
        return dataset

    def check(self, dataset: str) -> None:
        self._shelf.validate(read("dset", dataset))

    def ask(self, dataset: str, path: str, **query: Any) -> httpx2.Response:
        headers = query.pop("headers", {})
        return self.team.viewer.get(f"/v1/datasets/{dataset}/{path}", params=query, headers=headers)

    def told(self, dataset: str, path: str, **query: Any) -> dict[str, Any]:
        answer = self.ask(dataset, path, **query)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def refused(self, dataset: str, path: str, **query: Any) -> tuple[int, str]:
        answer = self.ask(dataset, path, **query)
        return answer.status_code, answer.json()["code"]


@contextmanager
def looking(launch: Launch) -> Iterator[Looker]:
    """Of a platform without workers."""
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        stack.start_api()
        yield Looker(Platform(stack).team())
