"""When an account is called, when it is left alone, and what every call carries."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from sqlalchemy import func, update

from service.kit import circuit
from service.kit.circuit import Circuit
from service.kit.db import breaker, unit_of_work
from service.kit.identity import WORKER
from service.kit.ids import new_id
from service.kit.settings import settings
from service.provider.errors import (
    AccountRefused,
    NotThere,
    Paused,
    ProviderError,
    RateLimited,
    Refused,
    Unknown,
    Unreachable,
)
from service.provider.openai import client, gateway
from service.provider.shapes import Credentials, JobOrder
from tests.conftest import STRAY
from tests.provider.answering import JOB, Answering, refusal

pytestmark = pytest.mark.usefixtures("database")  # where accounts have their circuits

ORDER = JobOrder(
    key="tp1_key", model="gpt-4o-mini-2024-07-18", training_file="file-1", validation_file=None,
    suffix=None, seed=1, hyperparameters={"n_epochs": 1},
)  # fmt: skip
UNWELL: Final[tuple[int, dict[str, str], Any]] = (500, {}, refusal("The server had an error."))


@pytest.fixture(autouse=True)
def _long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long that none ends while a busy machine looks elsewhere."""
    long = settings().model_copy(update={"circuit_seconds": 30.0, "backoff_cap_seconds": 120.0})
    for module in (circuit, client):
        monkeypatch.setattr(module, "settings", lambda: long)


@pytest.fixture
def provider() -> Iterator[Answering]:
    with Answering() as answering:
        yield answering


def ask(account: Credentials) -> None:
    gateway.get_job(account, "ftjob-1")


def create(account: Credentials) -> None:
    gateway.create_job(account, ORDER)


def refused(call: Callable[[Credentials], None], account: Credentials, *, times: int = 1) -> list[ProviderError]:
    met = []
    for _ in range(times):
        with pytest.raises(ProviderError) as caught:
            call(account)
        met.append(caught.value)
    return met


def reasons(account: Credentials) -> dict[str, str]:
    """Why the account's circuits are open, by what they are for."""
    with unit_of_work(WORKER) as session:
        return {
            one.name.rpartition(":")[2]: one.reason for one in circuit.openings(session, like=f"{account.account}:%")
        }


# ------------------------------------------------------------------------------------------- what every call carries
@pytest.mark.parametrize("kind", ["openai", "azure", "compatible"])
def test_nothing_of_the_environment_is_sent(provider: Answering, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    for name, value in STRAY.items():
        monkeypatch.setenv(name, value)
    account = provider.account(kind=kind)
    create(account)
    ask(account)
    assert [(one.method, one.path) for one in provider.requests] == [
        ("POST", "/v1/fine_tuning/jobs"),
        ("GET", "/v1/fine_tuning/jobs/ftjob-1"),
    ]
    for one in provider.requests:
        sent = one.headers
        assert not [value for value in sent.values() if "stray" in value]
        assert not sent.keys() & {"openai-organization", "openai-project"}
        key = {"api-key": "sk-own"} if kind == "azure" else {"authorization": "Bearer sk-own"}
        assert {name: sent.get(name) for name in ("api-key", "authorization") if name in sent} == key
    assert not STRAY.keys() & os.environ.keys()


def test_an_accounts_own_organisation_and_project_are_sent(provider: Answering) -> None:
    ask(provider.account(organisation="org-own", project="proj-own"))
    (request,) = provider.requests
    assert (request.headers["openai-organization"], request.headers["openai-project"]) == ("org-own", "proj-own")


def test_neither_key_nor_data_follow_a_redirect(provider: Answering) -> None:
    provider.answer = 307, {"Location": "/v1/elsewhere"}, {}
    refused(create, provider.account())
    assert len(provider.requests) == 1


# --------------------------------------------------------------------------------------------- when it is left alone
def test_five_failures_in_a_row_and_nothing_more_is_sent(provider: Answering) -> None:
    provider.answer, account = UNWELL, provider.account()
    met = refused(ask, account, times=8)
    assert [type(one) for one in met] == [Unknown] * 5 + [Paused] * 3
    assert len(provider.requests) == 5
    assert "server had an error" in reasons(account)["ask"]


def test_where_nobody_listens_nothing_was_sent(provider: Answering) -> None:
    with Answering() as gone:
        account = gone.account()
    assert [type(one) for one in refused(create, account, times=6)] == [Unreachable] * 5 + [Paused]
    nameless = replace(account, base_url="http://nobody.invalid/v1", account=new_id())
    assert isinstance(refused(create, nameless)[0], Unreachable)


def test_whoever_hangs_up_in_the_middle_may_have_heard(provider: Answering) -> None:
    provider.answer = 200, {"Content-Length": "999"}, JOB
    assert type(refused(create, provider.account())[0]) is Unknown


def test_an_account_that_creates_nothing_may_still_be_asked(provider: Answering) -> None:
    provider.answer, account = UNWELL, provider.account()
    refused(create, account, times=5)
    assert isinstance(refused(create, account)[0], Paused)
    provider.answer = 200, {}, JOB
    ask(account)
    assert reasons(account).keys() == {"create"}


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "invalid_api_key"), (402, None), (403, "unsupported_country"), (429, "insufficient_quota")],
)
def test_an_account_that_is_refused_is_left_alone_at_once(provider: Answering, status: int, code: str | None) -> None:
    account = provider.account(api_key="sk-canary")
    provider.answer = status, {}, refusal("No: sk-canary is not welcome.", code)
    met = refused(create, account, times=2)
    assert [type(one) for one in met] == [AccountRefused, Paused]
    assert isinstance(met[1], Paused)
    assert 0 < met[1].retry_after_seconds <= 120
    assert len(provider.requests) == 1
    assert reasons(account) == {"create": f"No: [key] is not welcome. ({code or status})"}


@pytest.mark.parametrize(("code", "param"), [("model_blocked", "model"), ("model_not_found", None)])
def test_a_refusal_of_what_was_asked_is_final_and_not_the_accounts(
    provider: Answering, code: str, param: str | None
) -> None:
    """Else a job that asks for a model the project may not use would wait for ever, and keep all others waiting."""
    account = provider.account()
    provider.answer = 403, {}, refusal("Not this model.", code, param)
    assert [type(one) for one in refused(create, account, times=2)] == [Refused] * 2
    assert reasons(account) == {}


def test_a_retry_after_holds_for_all_calls_of_the_kind(provider: Answering) -> None:
    account = provider.account()
    provider.answer = 429, {"Retry-After": "30"}, refusal("Slower.", "rate_limit_exceeded")
    met = refused(ask, account, times=2)
    assert [type(one) for one in met] == [RateLimited, Paused]
    assert isinstance(met[1], Paused)
    assert 25 < met[1].retry_after_seconds <= 30
    assert len(provider.requests) == 1


@pytest.mark.parametrize(("status", "met"), [(404, NotThere), (400, Refused), (422, Refused), (429, RateLimited)])
def test_whoever_says_no_to_one_request_is_well(provider: Answering, status: int, met: type[ProviderError]) -> None:
    account = provider.account()
    provider.answer = UNWELL
    refused(ask, account, times=4)
    provider.answer = status, {}, refusal("No.")
    assert isinstance(refused(ask, account)[0], met)
    provider.answer = UNWELL
    assert [type(one) for one in refused(ask, account, times=4)] == [Unknown] * 4


def test_a_paused_account_is_given_nothing_new_and_is_asked_on(provider: Answering) -> None:
    account = provider.account(paused="moving house")
    with pytest.raises(Paused, match="moving house"):
        create(account)
    ask(account)
    assert [one.method for one in provider.requests] == ["GET"]


def test_what_a_model_answers_says_nothing_of_its_account(provider: Answering) -> None:
    provider.answer, account = UNWELL, provider.account()
    for _ in range(6):
        gateway.answers(account, "ft:m")
    assert len(provider.requests) == 6
    assert reasons(account) == {}


# ------------------------------------------------------------------------------------------------------------- pace
def test_every_page_counts_against_the_pace(provider: Answering) -> None:
    account = provider.account(requests_per_minute=20)
    provider.answer = 200, {}, {"object": "list", "data": [{"id": "m", "object": "model"}], "has_more": False}
    gateway.model_ids(account)
    provider.answer = 200, {}, {"object": "list", "data": [{**JOB, "id": "ftjob-2"}], "has_more": True}
    with pytest.raises(Paused, match="20 requests a minute") as caught:
        list(
            gateway.find_jobs(
                account, key="k", training_file="file-1", seed=1, created_since=datetime.fromtimestamp(0, UTC)
            )
        )
    assert len(provider.requests) == 5  # a quarter of them at once
    assert 2 < caught.value.retry_after_seconds <= 4
    assert reasons(account) == {}


# ------------------------------------------------------------------------------------- when the database is away
def test_without_a_database_nothing_is_sent_to_an_account_nobody_knows_well(provider: Answering) -> None:
    breaker.open()
    try:
        assert isinstance(refused(create, provider.account())[0], Paused)
    finally:
        breaker.close()
    assert provider.requests == []


def test_an_answer_is_not_lost_when_its_outcome_cannot_be_noted(provider: Answering) -> None:
    account, provider.meanwhile = provider.account(), breaker.open
    try:
        circuit.failed(f"{account.account}:create", "so that a success has to be noted")
        assert gateway.create_job(account, ORDER).id == "ftjob-1"
    finally:
        breaker.close()


def test_a_call_that_began_before_the_circuit_opened_ends_nobodys_trial(provider: Answering) -> None:
    """A list whose next page the account's pace holds back, while somebody else tries whether the account is well."""
    account = provider.account()
    name = f"{account.account}:ask"
    with suppress(Paused), client.translated(account):
        for _ in range(settings().circuit_failures):
            circuit.failed(name, "away")
        with unit_of_work(WORKER) as session:
            session.execute(update(Circuit).where(Circuit.name == name).values(open_until=func.now()))
        assert circuit.enter(name), "somebody is on trial"
        raise Paused("its pace", retry_after_seconds=1)
    with pytest.raises(circuit.CircuitOpen):
        circuit.enter(name)
