"""The file that a process resolves from which starts while Postgres is away: whole, private, or not used."""

import signal
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx2
import psutil
import pytest

from service import tenants
from service.api import snapshot as kept
from service.cli.embedded import PostgresServer
from service.cli.local import PYTHON, UVICORN, LocalStack
from service.kit import clock
from service.kit.db import read_only
from service.kit.identity import CLI
from service.kit.settings import settings
from service.registry import Resolution, Snapshot
from tests.conftest import Launch
from tests.registry.factories import a_version
from tests.stack import Client, Platform
from tests.until import until

TEAM: Final = UUID("01a1f87f-c4a8-7201-b5cb-87ecf8bf29bd")
NOW: Final = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
PATH: Final = "/v1/models/support-bot/resolve"
RESOLUTION: Final = Resolution(
    team_id=TEAM, model_id=TEAM, name="bot", alias="production", model="ft:gpt:acmé::2", base_model="gpt", version=2,
    job_id=None,
    activated_at=NOW, shutdown_date=date(2027, 1, 14), previous_model=None,
)  # fmt: skip
KEY: Final = tenants.KeyRecord(
    key_id="resolver00", digest=bytes(range(32)), team_id=TEAM, role=tenants.Role.RESOLVER, expires_at=NOW
)


@pytest.fixture(autouse=True)
def pepper(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEPLANE_KEY_PEPPER", "pepper")
    settings.cache_clear()
    yield
    settings.cache_clear()


def a_snapshot(aliases: int = 500) -> Snapshot:
    keys = {KEY.key_id: KEY, "operator00": replace(KEY, key_id="operator00", team_id=None, expires_at=None)}
    return Snapshot(keys, [replace(RESOLUTION, name=f"bot-{number}", job_id=TEAM) for number in range(aliases)])


def test_what_is_kept_is_read_again_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "resolve.snapshot"
    for snapshot in (a_snapshot(), a_snapshot(0), replace(a_snapshot(1), keys={})):
        kept.write(file, snapshot, NOW)
        assert kept.read(file) == (snapshot, NOW)
    assert list(tmp_path.iterdir()) == [file]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "resolve.snapshot"
    file.touch(mode=0o644)
    kept.write(file, a_snapshot(1), NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_is_damaged_cut_short_or_longer_is_none(tmp_path: Path) -> None:
    file = tmp_path / "resolve.snapshot"
    kept.write(file, a_snapshot(2), NOW)
    whole = file.read_bytes()
    changed = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), 7)]
    for content in (*changed, *(whole[:at] for at in range(0, len(whole), 7)), whole + b"\n", b"", b"\n"):
        file.write_bytes(content)
        with pytest.raises(kept.Unusable):
            kept.read(file)
    assert kept.restore(file) is None


def test_a_file_of_another_installation_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "resolve.snapshot"
    kept.write(file, a_snapshot(1), NOW)
    monkeypatch.setenv("TUNEPLANE_KEY_PEPPER", "another")
    settings.cache_clear()
    with pytest.raises(kept.Unusable):
        kept.read(file)


def test_a_file_from_before_the_longest_outage_is_not_answered_from(tmp_path: Path) -> None:
    file = tmp_path / "resolve.snapshot"
    assert kept.restore(file) is None
    longest = timedelta(seconds=settings().resolve_snapshot_age_seconds_max)
    kept.write(file, a_snapshot(1), clock.now() - longest + timedelta(minutes=1))
    assert kept.restore(file) is not None
    kept.write(file, a_snapshot(1), clock.now() - longest - timedelta(minutes=1))
    assert kept.restore(file) is None


def test_what_cannot_be_written_leaves_what_was(tmp_path: Path) -> None:
    file = tmp_path / "resolve.snapshot"
    kept.write(file, a_snapshot(1), NOW)
    unwritable = replace(a_snapshot(1), resolutions=[replace(RESOLUTION, version=object())])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        kept.write(file, unwritable, NOW)
    assert kept.read(file) == (a_snapshot(1), NOW)
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def cold(launch: Launch) -> Iterator[tuple[LocalStack, Client, dict[str, Any]]]:
    """An API that has resolved and was killed; with a key and what it was answered. Its Postgres is gone too."""
    with ExitStack() as cleanup:
        postgres = cleanup.enter_context(PostgresServer(launch.folder / "cold", durable=False))
        file = launch.folder / "resolve.snapshot"
        hurry = {"resolve_poll_seconds": "1", "resolve_snapshot_seconds": "0.1", "resolve_snapshot_file": str(file)}
        stack = launch(cleanup, postgres=postgres, settings=hurry)
        stack.start_api()
        team = Platform(stack).team()
        with read_only(CLI) as session:
            a_version(tenants.find_team(session, team.slug), model="ft:one")
        team.member.put("/v1/models/support-bot/aliases/production", {"version": 1})
        until(lambda: team.resolver.get(PATH).status_code == 200)
        answered = team.resolver.get(PATH)
        until(lambda: {"support-bot", key_id(team.resolver)} <= kept_in(stack, file))
        psutil.Process(stack.processes.pid("api")).send_signal(signal.SIGKILL)
        postgres.kill()
        yield stack, team.resolver, {"etag": answered.headers["etag"], **answered.json()}


def key_id(client: Client) -> str:
    parsed = tenants.parse_key(client.http.headers["authorization"].removeprefix("Bearer "))
    assert parsed is not None
    return parsed[0]


def kept_in(stack: LocalStack, file: Path) -> set[str]:
    """The names of models and the ids of keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEPLANE_KEY_PEPPER", stack.environment["TUNEPLANE_KEY_PEPPER"])
        settings.cache_clear()
        snapshot = kept.read(file)[0] if file.exists() else Snapshot({}, [])
    settings.cache_clear()
    return {one.name for one in snapshot.resolutions} | snapshot.keys.keys()


def test_a_process_that_starts_without_postgres_answers_and_says_how_old_that_is(
    cold: tuple[LocalStack, Client, dict[str, Any]],
) -> None:
    stack, client, before = cold
    stack.start_api("again")
    answered = client.get(PATH)
    assert answered.status_code == 200, answered.text
    assert answered.headers["etag"] == before["etag"]
    assert answered.json().items() <= before.items()
    assert int(answered.headers["age"]) >= 0
    assert client.get("/v1/models/unknown/resolve").json()["code"] == "registry_unreachable"
    stranger = Client(stack.api_url, client.http.headers["authorization"].removeprefix("Bearer ")[:-1] + "_")
    assert stranger.get(PATH).status_code == 401
    ready = httpx2.get(f"{stack.api_url}/readyz").json()
    assert (ready["status"], ready["database"], ready["registry"]["is_stale"]) == ("ready", "away", True)
    stack.postgres.start()
    until(lambda: "age" not in client.get(PATH).headers, within=15)


def test_without_the_file_it_says_that_it_knows_nothing(cold: tuple[LocalStack, Client, dict[str, Any]]) -> None:
    stack, client, _ = cold
    Path(stack.environment["TUNEPLANE_RESOLVE_SNAPSHOT_FILE"]).unlink()
    stack.processes.start("again", [PYTHON, *UVICORN, "--port", str(stack.api_port)], stack.environment)
    until(lambda: is_listening(stack.api_url))
    assert client.get(PATH).json()["code"] == "registry_not_loaded"
    assert httpx2.get(f"{stack.api_url}/readyz").json()["status"] == "loading"


def is_listening(url: str) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(f"{url}/livez").is_success
    return False
