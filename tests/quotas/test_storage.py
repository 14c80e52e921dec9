"""What a team may store: counted from its datasets, however many arrive at once."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service import datasets, quotas
from service.cli.local import LocalStack
from service.kit import ids
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.ids import read
from service.quotas import LimitsSet
from service.tenants import TeamFacts
from tests.datasets.factories import Shelf
from tests.quotas.factories import wait_until_blocked
from tests.stack import Team, conversations

CONTENTS = [conversations(topic=f"tide {n}") for n in range(10, 20)]
SIZE = len(CONTENTS[0])


def set_limit(team: TeamFacts, storage_bytes: int) -> None:
    with unit_of_work(CLI) as session:
        quotas.set_team_limits(session, CLI, team, LimitsSet(storage_bytes=storage_bytes))


def stored(shelf: Shelf) -> int:
    with read_only(shelf.actor) as session:
        return datasets.stored_bytes(session, shelf.team.id)


@pytest.mark.usefixtures("database")
def test_what_fits_to_the_byte_is_stored_and_one_more_is_refused() -> None:
    shelf = Shelf()
    set_limit(shelf.team, 2 * SIZE)
    for content in CONTENTS[:2]:
        shelf.put(content)
    with pytest.raises(quotas.StorageLimitReached) as refused:
        shelf.put(CONTENTS[2])
    assert refused.value.facts == {
        "limit": "storage_bytes", "value": 2 * SIZE, "used": 2 * SIZE, "asked": SIZE, "resets_at": None,
        "team": shelf.team.slug,
    }  # fmt: skip
    assert stored(shelf) == 2 * SIZE
    shelf.put(CONTENTS[0])  # the same bytes take nothing more
    set_limit(shelf.team, 0)
    with pytest.raises(quotas.StorageLimitReached):
        Shelf(shelf.team).put(CONTENTS[3])


@pytest.mark.usefixtures("database")
def test_a_second_upload_waits_for_the_first_to_be_counted() -> None:
    shelf = Shelf()
    set_limit(shelf.team, SIZE)
    with ThreadPoolExecutor(1) as other:
        with unit_of_work(shelf.actor) as session:
            digests = datasets.Digests(1024)
            digests.update(CONTENTS[0])
            datasets.receive(session, shelf.actor, ids.new_id(), filename="a", name=None, digests=digests)
            second = other.submit(shelf.put, CONTENTS[1])
            wait_until_blocked(second)
        assert isinstance(second.exception(), quotas.StorageLimitReached)
    assert stored(shelf) == SIZE


@pytest.mark.usefixtures("database")
def test_of_many_at_once_only_as_many_are_stored_as_fit() -> None:
    shelf = Shelf()
    set_limit(shelf.team, 3 * SIZE)

    def put(content: bytes) -> bool:
        try:
            shelf.put(content)
        except quotas.StorageLimitReached:
            return False
        return True

    with ThreadPoolExecutor(10) as crowd:
        assert sum(crowd.map(put, CONTENTS)) == 3
    assert stored(shelf) == 3 * SIZE


# ----------------------------------------------------------------------------------------------------------- over HTTP
def post(team: Team, content: bytes) -> int:
    kind = {"Content-Type": "application/jsonl"}
    return team.member.post("/v1/datasets", content=content, headers=kind).status_code


def test_a_refused_upload_leaves_nothing_and_the_limit_says_what_is_used(team: Team, stack: LocalStack) -> None:
    path = f"/v1/teams/{team.slug}/limits"
    assert team.operator.put(path, {"storage_bytes": 2 * SIZE}).status_code == 200
    with ThreadPoolExecutor(6) as crowd:
        _ = team.member  # one key for all
        answers = sorted(crowd.map(lambda content: post(team, content), CONTENTS[:6]))
    assert answers == [202, 202, 403, 403, 403, 403]
    for client in (team.viewer, team.operator):
        seen = client.get(path).json()["storage_bytes"]
        assert seen == {"value": 2 * SIZE, "from": "team", "used": 2 * SIZE, "resets_at": None}
    own = str(read("team", team.id))
    objects: list[Path] = [one for one in (stack.folder / "objects").rglob("content") if own in str(one)]
    assert sum(one.stat().st_size for one in objects) == 2 * SIZE
    assert len(team.viewer.get("/v1/datasets").json()["data"]) == 2


def test_what_cannot_fit_is_refused_before_it_is_sent(team: Team) -> None:
    team.operator.put(f"/v1/teams/{team.slug}/limits", {"storage_bytes": 1_000_000})
    address = urlsplit(team.base_url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=15) as wire:
        head = f"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {team.member.key}\r\n"
        wire.sendall(f"{head}Content-Length: 2000000\r\n\r\n".encode())
        said = b""
        while piece := wire.recv(65536):
            said += piece
    assert said.startswith(b"HTTP/1.1 403")
    assert b"storage_limit_reached" in said


def test_what_is_made_of_a_dataset_needs_room_too(team: Team) -> None:
    kind = {"Content-Type": "application/jsonl"}
    dataset = team.member.post("/v1/datasets", content=CONTENTS[0], headers=kind).json()["id"]
    team.operator.put(f"/v1/teams/{team.slug}/limits", {"storage_bytes": 2 * SIZE - 1})
    for verb, how in (("split", {"validation_count": 2}), ("subset", {"count": 2})):
        refused = team.member.post(f"/v1/datasets/{dataset}/{verb}", how)
        assert (refused.status_code, refused.json()["code"]) == (403, "storage_limit_reached"), refused.text
    assert len(team.viewer.get("/v1/datasets").json()["data"]) == 1
    team.operator.put(f"/v1/teams/{team.slug}/limits", {"storage_bytes": "unlimited"})
    assert team.member.post(f"/v1/datasets/{dataset}/subset", {"count": 2}).status_code == 202
