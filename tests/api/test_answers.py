"""What a request to resolve is answered, decided without any I/O."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service import tenants
from service.api.answers import Answer, Question, answer
from service.api.served import Entry, Served, prepare
from service.kit.settings import settings
from service.registry import Resolution, Snapshot
from service.tenants.rules import assemble_key

TEAM = UUID("01a1f87f-c4a8-7201-b5cb-87ecf8bf29bd")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "s" * 43
RESOLUTION = Resolution(
    team_id=TEAM, model_id=TEAM, name="bot", alias="production", model="ft:gpt:acme::2", base_model="gpt", version=2,
    job_id=TEAM,
    activated_at=NOW - timedelta(days=1), shutdown_date=date(2027, 1, 14), previous_model="ft:gpt:acme::1",
)  # fmt: skip
PATH = "/v1/models/bot/resolve"


@pytest.fixture(autouse=True)
def pepper(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TUNEPLANE_KEY_PEPPER", "pepper")
    settings.cache_clear()
    yield
    settings.cache_clear()


def key(key_id: str, secret: str = SECRET) -> str:
    return assemble_key("test", key_id, secret)


def snapshot() -> Snapshot:
    def record(key_id: str, role: tenants.Role, **facts: Any) -> tenants.KeyRecord:
        known = {"team_id": TEAM, "expires_at": None, **facts}
        return tenants.KeyRecord(key_id=key_id, digest=tenants.digest(SECRET), role=role, **known)

    records = [
        record("resolver00", tenants.Role.RESOLVER),
        record("operator00", tenants.Role.OPERATOR, team_id=None),
        record("finance000", tenants.Role.FINANCE, team_id=None),
        record("expires000", tenants.Role.RESOLVER, expires_at=NOW),
        record("stranger00", tenants.Role.RESOLVER, team_id=UUID(int=1)),
    ]
    return Snapshot({one.key_id: one for one in records}, [RESOLUTION])


def ask(
    key_id: str = "resolver00",
    *,
    name: str = "bot",
    query: bytes = b"",
    authorization: str | None = None,
    stale_seconds: int | None = None,
    at: datetime = NOW,
    **headers: str,
) -> Answer:
    shown = f"Bearer {key(key_id)}" if authorization is None else authorization
    sent = {"authorization": shown, **headers}
    raw = {name.replace("_", "-").encode(): value.encode() for name, value in sent.items() if value}
    served = prepare(snapshot(), max_age_seconds=30)
    question = Question(name=name, path=PATH, query=query, headers=raw, request_id="req_1", at=at)
    return answer(served, question, stale_seconds=stale_seconds)


def code(answered: Answer) -> tuple[int, str]:
    return answered.status, json.loads(answered.body)["code"]


def header(answered: Answer, name: str) -> str | None:
    return next((value.decode() for found, value in answered.headers if found.decode() == name), None)


def test_an_alias_resolves_to_the_model_to_call() -> None:
    answered = ask()
    assert answered.status == 200
    assert json.loads(answered.body) == {
        "object": "model_alias",
        "name": "bot",
        "alias": "production",
        "model": "ft:gpt:acme::2",
        "base_model": "gpt",
        "version": 2,
        "job_id": "job_01m7w7zh58e80vbjw7xkwbyadx",
        "activated_at": "2026-11-19T12:00:00Z",
        "shutdown_date": "2027-01-14",
        "previous_model": "ft:gpt:acme::1",
    }
    assert dict(answered.headers) | {b"etag": b""} == {
        b"content-type": b"application/json",
        b"content-length": str(len(answered.body)).encode(),
        b"cache-control": b"private, max-age=30, stale-while-revalidate=60, stale-if-error=86400",
        b"vary": b"Authorization, Accept",
        b"last-modified": b"Thu, 19 Nov 2026 12:00:00 GMT",
        b"etag": b"",
        b"x-content-type-options": b"nosniff",
        b"x-request-id": b"req_1",
    }


def test_the_alias_is_production_unless_named() -> None:
    assert ask(query=b"alias=production").body == ask().body
    assert ask(query=b"x=1").status == 200
    assert code(ask(query=b"alias=staging")) == (404, "alias_not_found")
    assert code(ask(query=b"alias=%ff")) == (404, "alias_not_found")


@pytest.mark.parametrize(
    ("accept", "is_text"),
    [
        ("text/plain", True),
        ("text/plain, application/json;q=0.9", True),
        ("text/*, */*;q=0.1", True),
        ("TEXT/PLAIN;q=0.5, */*;q=0.1", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("text/plain;q=0, */*", False),
        ("text/plain, application/json", False),
        ("text/html, application/xhtml+xml, */*;q=0.8", False),
        ("text/plain;q=nonsense, */*;q=0.5", True),
        (";;,,text/", False),
    ],
)
def test_the_bare_id_is_given_to_who_prefers_text(accept: str, is_text: bool) -> None:
    answered = ask(accept=accept)
    assert (answered.body == b"ft:gpt:acme::2") == is_text
    assert header(answered, "content-type") == ("text/plain; charset=utf-8" if is_text else "application/json")


def test_an_entity_tag_is_strong_and_differs_with_the_form() -> None:
    tags = {header(ask(), "etag"), header(ask(accept="text/plain"), "etag")}
    assert len(tags) == 2
    assert all(tag and tag.startswith('"') for tag in tags)


@pytest.mark.parametrize("condition", ["{}", "W/{}", '"other", {}', '"other" , W/{},"more"', "*", '"a,b", {}'])
def test_what_the_caller_has_is_not_sent_again(condition: str) -> None:
    etag = header(ask(), "etag")
    answered = ask(if_none_match=condition.format(etag))
    assert (answered.status, answered.body) == (304, b"")
    kept = {name for name, _ in answered.headers}
    assert kept == {
        b"cache-control", b"vary", b"last-modified", b"etag", b"x-request-id", b"x-content-type-options"
    }  # fmt: skip


@pytest.mark.parametrize("condition", ['"other"', "", "nonsense", '"'])
def test_what_the_caller_does_not_have_is_sent(condition: str) -> None:
    assert ask(if_none_match=condition).status == 200


def test_a_tag_of_the_text_does_not_stand_for_the_json() -> None:
    assert ask(if_none_match=header(ask(accept="text/plain"), "etag") or "").status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Basic abc",
        "Bearer tp_test_x",
        f"Bearer {key('resolver00')}x",
        f"Bearer {key('unknown000')}",
        f"Bearer {key('resolver00', 'x' * 43)}",
        f"Bearer {key('expires000')}",
        "Bearer tp_\xff",
    ],
)
def test_who_is_not_known_is_told_nothing_else(authorization: str) -> None:
    answered = ask(authorization=authorization, name="no-such-model")
    assert answered.status == 401
    assert header(answered, "www-authenticate") == 'Bearer realm="tuneplane"'


def test_the_scheme_is_case_insensitive() -> None:
    assert ask(authorization=f"bearer {key('resolver00')}").status == 200


def test_a_key_ends_when_it_expires_and_not_before() -> None:
    assert ask("expires000", at=NOW - timedelta(seconds=1)).status == 200
    assert code(ask("expires000", at=NOW)) == (401, "api_key_expired")


def test_who_has_no_scope_or_no_team_is_refused() -> None:
    assert code(ask("finance000")) == (403, "scope_missing")
    assert code(ask("operator00")) == (403, "team_key_required")


def test_another_team_s_model_is_not_found() -> None:
    assert code(ask("stranger00")) == (404, "alias_not_found")
    assert code(ask(name="no-such-model")) == (404, "alias_not_found")


def test_an_outdated_answer_says_how_old_it_is() -> None:
    assert header(ask(), "age") is None
    assert header(ask(stale_seconds=47), "age") == "47"
    assert ask(stale_seconds=47).body == ask().body


def test_what_an_outdated_registry_does_not_know_is_not_denied() -> None:
    for answered in (ask("unknown000", stale_seconds=47), ask(name="new", stale_seconds=47)):
        assert code(answered) == (503, "registry_unreachable")
        assert header(answered, "retry-after") == "5"
    assert ask(authorization=f"Bearer {key('resolver00', 'x' * 43)}", stale_seconds=47).status == 401


def test_before_the_first_load_nothing_is_denied_either() -> None:
    question = Question(name="bot", path=PATH, query=b"", headers={}, request_id="req_1", at=NOW)
    answered = answer(None, question)
    assert code(answered) == (503, "registry_not_loaded")


def entry(served: Served) -> Entry:
    found = served.find(TEAM, "bot", "production")
    assert found is not None
    return found


def test_a_move_gives_another_tag() -> None:
    moved = replace(snapshot(), resolutions=[replace(RESOLUTION, version=3, model="ft:gpt:acme::3")])
    before, after = (prepare(one, max_age_seconds=30) for one in (snapshot(), moved))
    tags = {entry(one).json(one.cache_control).etag for one in (before, after)}
    assert len(tags) == 2


def test_what_has_not_moved_keeps_its_answer_and_what_has_gets_another() -> None:
    other = replace(RESOLUTION, alias="staging")
    before = prepare(replace(snapshot(), resolutions=[RESOLUTION, other]), max_age_seconds=30)
    kept = entry(before).json(before.cache_control)
    moved = replace(snapshot(), resolutions=[RESOLUTION, replace(other, version=3)])
    after = prepare(moved, max_age_seconds=30, before=before)
    assert entry(after).json(after.cache_control) is kept
    assert after.find(TEAM, "bot", "staging") is not before.find(TEAM, "bot", "staging")


def test_another_setting_gives_every_answer_anew() -> None:
    before = prepare(snapshot(), max_age_seconds=30)
    entry(before).json(before.cache_control)
    after = prepare(snapshot(), max_age_seconds=31, before=before)
    headers = dict(entry(after).json(after.cache_control).headers)
    assert headers[b"cache-control"].startswith(b"private, max-age=31,")
