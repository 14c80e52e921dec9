"""Reconciliation over HTTP: what finance sees and books."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from service import tenants
from service.costs.flows import reconcile
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from service.kit.ids import show
from tests.costs.factories import charge
from tests.costs.metered import Organisation, an_organisation
from tests.emulator.world import Emulator
from tests.quotas.factories import MODEL, hold
from tests.stack import Client, Platform, Team
from tests.tenants.factories import a_key

DAY = date(2026, 9, 10)
NOON = datetime(2026, 9, 10, 12, tzinfo=UTC)
AT = datetime(2026, 9, 15, 9, tzinfo=UTC)  # settled, and still asked for again
PATH = "/v1/reconciliation"


@pytest.fixture(scope="module")
def running_emulator(database: object) -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def organisation(running_emulator: Emulator) -> Iterator[Organisation]:
    with an_organisation(running_emulator, project=f"proj_{uuid4().hex[:12]}") as organisation:
        yield organisation
    running_emulator.reset()


@pytest.fixture
def finance(platform: Platform) -> Client:
    return Client(platform.stack.api_url, a_key(None, tenants.Role.FINANCE)[1])


def facts(team: Team) -> tenants.TeamFacts:
    with read_only(CLI) as session:
        return tenants.find_team(session, team.slug)


def extra(organisation: Organisation, line_item: str, amount: str, quantity: str | None = None) -> None:
    """A line on the bill that we know nothing of."""
    line = {"line_item": line_item, "amount": amount, "quantity": quantity, "api_key": "key_x"}
    organisation.emulator.tell(
        "/discrepancies", kind="extra", project=organisation.project, at=NOON.timestamp(), **line
    )  # fmt: skip


def day_of(finance: Client, organisation: Organisation) -> dict[str, Any]:
    listed = finance.get(f"{PATH}?period=2026-09&connection={show('conn', organisation.connection)}")
    assert listed.status_code == 200, listed.text
    (day,) = listed.json()["data"]
    detail: dict[str, Any] = finance.get(f"{PATH}/{day['id']}").json()
    assert detail.items() >= day.items()
    return detail


def adjustments(organisation: Organisation) -> list[dict[str, Any]]:
    return [one for one in organisation.entries() if one["kind"] == "adjustment"]


def test_a_day_is_read_and_what_is_left_is_booked_once(
    finance: Client, operator: Client, make_team: Callable[..., Team], organisation: Organisation
) -> None:
    team, payer = make_team(), make_team()
    known = facts(team)
    job = hold(known, "10", at=NOON)
    charge(known, job, 400_000, at=NOON, connection_id=organisation.connection, accrued=True)
    extra(organisation, "attic, storage", "0.25")
    reconcile(AT)
    day = day_of(finance, organisation)
    assert (day["state"], day["billed"], day["booked"], day["residual"], day["outside"], day["day"]) == (
        "mismatch", "0.25", "1.20", "-0.95", "0.00", "2026-09-10",
    )  # fmt: skip
    assert day["causes"] == ["accrued_difference", "unexplained"]
    stopped, attic = sorted(day["findings"], key=lambda one: one["cause"])
    assert (stopped["left"], stopped["base_model"], stopped["meter"]) == ("-1.20", MODEL, "training_tokens")
    assert (attic["left"], attic["line_item"], attic["project"], attic["api_key"]) == (
        "0.25", "attic, storage", organisation.project, "key_x",
    )  # fmt: skip

    path, body = f"{PATH}/{day['id']}/adjust", {"reason": "The provider's word", "team": payer.slug}
    for code, answer in [
        ("reconciliation_not_found", finance.post(f"{PATH}/recon_0/adjust", body)),
        ("finding_not_found", finance.post(path, body | {"finding": "find_0"})),
        ("team_not_found", finance.post(path, body | {"team": "nobodys"})),
        ("invalid_request", finance.post(path, {"reason": " "})),
        ("scope_missing", team.admin.post(path, body)),
    ]:
        assert answer.json()["code"] == code, answer.text
    assert adjustments(organisation) == []

    one = finance.post(path, body | {"finding": attic["id"]})
    assert one.status_code == 200, one.text
    assert (one.json()["residual"], one.json()["causes"]) == ("-1.20", ["accrued_difference"])
    whole = operator.post(path, body).json()
    assert (whole["state"], whole["residual"], whole["causes"]) == ("matched", "0.00", [])
    assert finance.post(path, body).json() == whole
    booked = adjustments(organisation)
    assert [(entry["team_slug"], entry["amount"], entry["charged_at"].date()) for entry in booked] == [
        (payer.slug, Decimal("0.25"), DAY), (team.slug, Decimal("-1.2"), DAY),
    ]  # fmt: skip
    reconcile(AT)
    assert day_of(finance, organisation) | {"checked_at": ""} == whole | {"checked_at": ""}


def test_what_turns_up_after_it_was_adjusted_is_found_again(finance: Client, organisation: Organisation) -> None:
    extra(organisation, "attic, storage", "0.25")
    reconcile(AT)
    day = day_of(finance, organisation)
    adjusted = finance.post(f"{PATH}/{day['id']}/adjust", {"reason": "nobody's"}).json()
    assert adjusted["state"] == "matched"
    assert [(entry["team_id"], entry["amount"]) for entry in adjustments(organisation)] == [(None, Decimal("0.25"))]
    organisation.emulator.control.delete("/discrepancies")  # the provider takes it off its bill
    extra(organisation, "cellar, storage", "1")
    reconcile(AT)
    day = day_of(finance, organisation)
    assert {one["line_item"]: one["left"] for one in day["findings"]} == {
        "attic, storage": "-0.25", "cellar, storage": "1.00",
    }  # fmt: skip
    assert finance.post(f"{PATH}/{day['id']}/adjust", {"reason": "back"}).json()["residual"] == "0.00"


def test_an_adjustment_that_was_booked_and_not_recorded_is_not_booked_again(
    finance: Client, organisation: Organisation
) -> None:
    """The caller died between the two: whoever asks again, for whatever reason, ends it."""
    extra(organisation, "attic, storage", "0.25")
    reconcile(AT)
    day = day_of(finance, organisation)
    path = f"{PATH}/{day['id']}/adjust"
    finance.post(path, {"reason": "first"})
    with unit_of_work(CLI) as session:
        session.execute(
            text("UPDATE reconciliation_findings SET pending = adjusted, adjusted = 0 WHERE adjusted = 0.25")
        )
    assert finance.post(path, {"reason": "second"}).json()["residual"] == "0.00"
    assert [entry["reason"] for entry in adjustments(organisation)] == ["first"]


def test_days_are_filtered_and_paged_and_tell_of_accounts_without_a_key(
    finance: Client, organisation: Organisation, team: Team
) -> None:
    extra(organisation, "attic, storage", "0.25")
    reconcile(AT)
    here = f"{PATH}?period=2026-09&connection={show('conn', organisation.connection)}"
    assert len(finance.get(f"{here}&state=mismatch&limit=1").json()["data"]) == 1
    assert finance.get(f"{here}&state=matched").json()["data"] == []
    assert finance.get(f"{PATH}?period=2026-08&limit=1").json()["data"] == []
    told = finance.get(here).json()["accounts"]
    assert {one["unavailable"] for one in told if one["name"] == "default"} == {"no_admin_key"}
    assert {one["newest_day"] for one in told if one["connection"] == show("conn", organisation.connection)} == {
        None, "2026-09-10",
    }  # fmt: skip
    assert finance.get(f"{PATH}?period=soon").json()["code"] == "bad_period"
    assert team.admin.get(PATH).status_code == 403
    assert finance.get(f"{PATH}/recon_nothing").status_code == 404
