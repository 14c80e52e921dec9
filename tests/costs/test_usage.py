"""Inference on tuned models: read from the provider day by day, attributed, and booked once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from service import connections, costs
from service.cli.local import LocalStack
from service.costs.flows import read_usage
from service.costs.metering.rules import Owner, base_in, first_day
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.ids import show
from service.tenants import TeamFacts
from tests.costs.metered import Organisation, a_tuned_model, an_organisation
from tests.emulator.world import Emulator
from tests.quotas.factories import MODEL, a_funded_team, figures
from tests.tenants.factories import acting_for

pytestmark = pytest.mark.usefixtures("quiet")

DAY = date(2026, 11, 10)
AT = datetime(2026, 11, 12, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def running_emulator(quiet: LocalStack) -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def organisation(running_emulator: Emulator) -> Iterator[Organisation]:
    with an_organisation(running_emulator) as organisation:
        yield organisation
    running_emulator.reset()


def assign(organisation: Organisation, kind: str, external_id: str, team: TeamFacts) -> None:
    with unit_of_work(CLI) as session:
        account = connections.account(session, show("conn", organisation.connection))
        costs.set_usage_owner(session, CLI, account, kind=kind, external_id=external_id, team=team)


def test_a_day_of_usage_is_booked_by_meter_at_that_days_price(organisation: Organisation) -> None:
    team = a_funded_team("10")
    model = a_tuned_model(team)
    organisation.use(model, DAY, input_tokens=1_500, cached_input_tokens=500, output_tokens=100, requests=7)
    read_usage(AT)
    told = {entry["meter"]: entry for entry in organisation.entries()}
    assert {meter: (entry["quantity"], entry["amount"]) for meter, entry in told.items()} == {
        "input_tokens": (1_000, Decimal("0.0003")),
        "cached_input_tokens": (500, Decimal("0.000075")),
        "output_tokens": (100, Decimal("0.00012")),
    }
    for entry in told.values():
        assert entry["amount"] == entry["quantity"] * entry["unit_price"] / entry["unit_quantity"]
        assert (entry["kind"], entry["team_id"], entry["model"], entry["base_model"], entry["posted_on"]) == (
            "inference", team.id, model, MODEL, DAY,
        )  # fmt: skip
        assert (entry["budget_month"], entry["accrued"]) == (None, False)
    assert [line["requests"] for line in organisation.lines()] == [7, 0, 0]
    assert figures(team)["spent"] == "0.00"  # chatbots call the provider themselves: no budget of training pays it


def test_it_is_told_in_parts_and_booked_by_the_difference(organisation: Organisation) -> None:
    model = a_tuned_model(a_funded_team("10"))
    for _ in range(3):
        organisation.use(model, DAY, input_tokens=100)
        read_usage(AT)
        read_usage(AT)
    assert [entry["quantity"] for entry in organisation.entries()] == [100, 100, 100]
    (line,) = organisation.lines()
    assert (line["quantity"], line["booked"], line["revision"]) == (300, 300, 3)
    assert line["amount"] == sum(entry["amount"] for entry in organisation.entries())
    assert len({entry["ext_ref"] for entry in organisation.entries()}) == 3


def test_tokens_that_are_told_as_another_meters_are_not_booked_twice(organisation: Organisation) -> None:
    model = a_tuned_model(a_funded_team("10"))
    organisation.use(model, DAY, input_tokens=100, cached_input_tokens=40)
    read_usage(AT)
    organisation.emulator.control.delete("/usage")
    organisation.use(model, DAY, input_tokens=100)  # none of it was cached, as the provider has found
    read_usage(AT)
    read_usage(AT)
    booked = [(entry["meter"], entry["quantity"]) for entry in organisation.entries()]
    assert sorted(booked) == [("cached_input_tokens", -40), ("cached_input_tokens", 40),
                              ("input_tokens", 40), ("input_tokens", 60)]  # fmt: skip
    assert {line["meter"]: line["quantity"] for line in organisation.lines()} == {
        "input_tokens": 100, "cached_input_tokens": 0,
    }  # fmt: skip
    assert sum(line["amount"] for line in organisation.lines()) == Decimal("0.00003")


def test_a_base_that_is_named_by_its_alias_has_the_snapshots_price(organisation: Organisation) -> None:
    organisation.use(a_tuned_model(base="gpt-4o-mini"), DAY, input_tokens=1_000_000)
    read_usage(AT)
    assert [(entry["base_model"], entry["amount"]) for entry in organisation.entries()] == [(MODEL, Decimal("0.3"))]


def test_eight_workers_at_once_book_it_once(organisation: Organisation) -> None:
    model = a_tuned_model(a_funded_team("10"))
    organisation.use(model, DAY, input_tokens=100, output_tokens=5)
    with ThreadPoolExecutor(8) as pool:
        outcomes = [future.exception() for future in [pool.submit(read_usage, AT) for _ in range(8)]]
    read_usage(AT)
    assert sorted(entry["quantity"] for entry in organisation.entries()) == [5, 100], outcomes


def test_days_that_have_not_ended_and_models_that_are_not_tuned_are_left_alone(organisation: Organisation) -> None:
    model = a_tuned_model(a_funded_team("10"))
    organisation.use("gpt-4o", DAY, input_tokens=100)
    organisation.use(model, AT.date(), input_tokens=100)
    read_usage(AT)
    assert organisation.lines() == []
    read_usage(AT + timedelta(days=1))
    assert [line["day"] for line in organisation.lines()] == [AT.date()]


def test_a_key_goes_before_its_project_and_both_before_the_model(organisation: Organisation) -> None:
    maker, of_project, of_key = (a_funded_team("10") for _ in range(3))
    model = a_tuned_model(maker)
    for nth, (team, owner) in enumerate(
        [(maker, Owner.MODEL), (of_project, Owner.PROJECT), (of_key, Owner.API_KEY)], start=1
    ):
        if owner is Owner.PROJECT:
            assign(organisation, "project", organisation.project, of_project)
        if owner is Owner.API_KEY:
            assign(organisation, "api_key", "key_a", of_key)
        organisation.use(model, DAY + timedelta(days=2 - nth), input_tokens=100)
        read_usage(AT)
        line = organisation.lines()[-1]
        assert (line["team_id"], line["owner"]) == (team.id, owner)
    assert [entry["team_id"] for entry in organisation.entries()] == [maker.id, of_project.id, of_key.id]


def test_what_is_nobodys_is_booked_on_nobody_and_moves_when_somebody_says_whose_it_is(
    organisation: Organisation
) -> None:  # fmt: skip
    team, model = a_funded_team("10"), a_tuned_model()
    organisation.use(model, DAY, input_tokens=1_000_000)
    read_usage(AT)
    assert [(entry["team_id"], entry["amount"]) for entry in organisation.entries()] == [(None, Decimal("0.3"))]
    assign(organisation, "api_key", "key_a", team)
    read_usage(AT + timedelta(days=20))  # long past the days that are read again
    assert [(entry["team_id"], entry["amount"]) for entry in organisation.entries()] == [
        (None, Decimal("0.3")), (None, Decimal("-0.3")), (team.id, Decimal("0.3")),
    ]  # fmt: skip
    other = a_funded_team("10")
    assign(organisation, "api_key", "key_a", other)
    organisation.use(model, DAY, input_tokens=10)
    read_usage(AT)
    assert [entry["team_id"] for entry in organisation.entries()][3:] == [team.id]  # what is a team's stays there


def test_without_a_price_nothing_is_booked_until_there_is_one(organisation: Organisation, quiet: LocalStack) -> None:
    model = a_tuned_model(a_funded_team("10"))
    organisation.use(model, DAY, batch=True, input_tokens=1_000_000)
    read_usage(AT)
    assert organisation.entries() == []
    (line,) = organisation.lines()
    assert (line["tier"], line["is_unpriced"], line["quantity"], line["booked"]) == ("batch", True, 1_000_000, 0)
    with unit_of_work(CLI) as session:
        session.execute(
            text(
                "INSERT INTO prices "
                "(id, provider, model, meter, tier, unit_quantity, amount, currency, effective_from) VALUES "
                "(gen_random_uuid(), 'openai', :model, 'input_tokens', 'batch', 1000000, 0.15, 'USD', '2025-10-01')"
            ),
            {"model": MODEL},
        )
    read_usage(AT)
    assert [entry["amount"] for entry in organisation.entries()] == [Decimal("0.15")]
    assert not organisation.lines()[0]["is_unpriced"]


def test_two_keys_of_one_organisation_tell_the_same_and_it_is_booked_once(
    organisation: Organisation, running_emulator: Emulator
) -> None:
    organisation.use(a_tuned_model(a_funded_team("10")), DAY, input_tokens=100)
    with an_organisation(running_emulator) as again:
        read_usage(AT)
        read_usage(AT)
        assert len(organisation.entries()) == 1
        assert again.entries() == again.lines() == []


def test_an_account_with_a_project_is_told_of_that_one_alone(running_emulator: Emulator) -> None:
    model = a_tuned_model(a_funded_team("10"))
    with an_organisation(running_emulator, project="proj_only") as organisation:
        organisation.use(model, DAY, input_tokens=7)
        organisation.project = "proj_other"
        organisation.use(model, DAY, input_tokens=100)
        read_usage(AT)
        assert [entry["quantity"] for entry in organisation.entries()] == [7]


def reading(organisation: Organisation) -> costs.ReadingView:
    with read_only(CLI) as session:
        (found,) = (
            one for one in costs.readings(session)
            if one.connection == show("conn", organisation.connection) and one.what == "usage"
        )  # fmt: skip
        return found


def test_how_far_it_was_read_is_told_and_why_it_was_not(organisation: Organisation) -> None:
    organisation.use(a_tuned_model(a_funded_team("10")), DAY, input_tokens=100)
    read_usage(AT)
    told = reading(organisation)
    assert (told.unavailable, told.newest_day, told.through, told.read_at) == (None, DAY, AT.date(), AT)
    organisation.emulator.control.delete(f"/keys/{organisation.admin_key}")
    later = AT + timedelta(days=1)
    read_usage(later)
    told = reading(organisation)
    assert (told.unavailable, told.through, told.read_at, told.asked_at) == (
        "admin_key_refused", AT.date(), AT, later,
    )  # fmt: skip
    assert organisation.admin_key not in str(told.message)
    with unit_of_work(CLI) as session:
        connections.set_admin_key(session, CLI, show("conn", organisation.connection), None)
    read_usage(later)
    assert reading(organisation).unavailable == "no_admin_key"


def test_one_account_that_is_away_keeps_no_other_waiting(
    organisation: Organisation, running_emulator: Emulator
) -> None:
    organisation.use(a_tuned_model(a_funded_team("10")), DAY, input_tokens=100)
    with an_organisation(running_emulator, base_url="http://127.0.0.1:9/v1") as away:
        read_usage(AT)
        assert reading(away).unavailable == "unreachable"
    assert len(organisation.entries()) == 1
    running_emulator.tell("/faults", kind="garbage", path="/usage/", status=200, times=None)
    read_usage(AT)
    assert reading(organisation).unavailable == "unreachable"


def test_a_training_charge_and_a_version_tell_whose_the_model_is() -> None:
    from tests.costs.factories import spend

    team = a_funded_team("100")
    spend(team, 1_000, model="ft:of-a-job")
    with read_only(CLI) as session:
        owned = text("SELECT team_id, base_model FROM owned_models WHERE model = 'ft:of-a-job'")
        assert session.execute(owned).all() == [(team.id, MODEL)]


def test_what_a_version_is_used_for_names_it(organisation: Organisation) -> None:
    from tests.registry.factories import a_version

    team, model = a_funded_team("10"), f"ft:{MODEL}:acme::{uuid4().hex[:8]}"
    with unit_of_work(acting_for(team)) as session:  # as the job is charged, before its model is registered
        costs.own_model(session, team.id, model, connection_id=None, base_model=MODEL)
    version = a_version(team, model=model)
    organisation.use(model, DAY, input_tokens=100)
    read_usage(AT)
    assert [entry["version_id"] for entry in organisation.entries()] == [version.id]


@pytest.mark.parametrize(
    ("model", "base"),
    [("ft:gpt-4o:acme:x:y", "gpt-4o"), ("ft:gpt-4o", "gpt-4o"), ("gpt-4o", None), ("ft:", None), ("ftx:a", None)],
)
def test_the_base_is_in_the_name(model: str, base: str | None) -> None:
    assert base_in(model) == base


def test_the_last_days_are_asked_for_again_and_none_is_left_out() -> None:
    def since(through: date | None) -> date:
        return first_day(date(2026, 11, 20), through, again=3, at_first=31)

    assert since(None) == date(2026, 10, 20)
    assert since(date(2026, 11, 20)) == date(2026, 11, 17)
    assert since(date(2026, 11, 5)) == date(2026, 11, 2)
    assert since(date(2026, 12, 5)) == date(2026, 11, 17)
