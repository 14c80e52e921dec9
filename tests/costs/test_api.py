"""The cost report over HTTP: JSON for programs, CSV for spreadsheets."""

import base64
import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from python_calamine import CalamineWorkbook

from service import quotas, tenants
from service.kit import clock
from service.kit.db import read_only, unit_of_work
from service.kit.identity import CLI
from tests.costs.factories import charge, spend
from tests.quotas.factories import hold
from tests.stack import Client, Platform, Team

MONTH = datetime(2031, 3, 5, tzinfo=UTC)  # far from what other tests spend
PATH = "/v1/costs?period=2031-03"


def facts(team: Team) -> tenants.TeamFacts:
    with read_only(CLI) as session:
        return tenants.find_team(session, team.slug)


@pytest.fixture
def spender(make_team: Callable[..., Team]) -> Team:
    """A team that in March 2031 spent 0.25836 on one model, 3 on none, and holds 1.25."""
    team = make_team()
    known = facts(team)
    spend(known, 86_120, at=MONTH, model="ft:a")
    spend(known, 1_000_000, at=MONTH, model=None)
    hold(known, "1.25", at=MONTH)
    return team


def amounts(**told: str | int | None) -> dict[str, Any]:
    """The measures of a row; what is not told is nothing."""
    cost = {"cost": told["settled"]} if "settled" in told else {}
    nothing = dict.fromkeys(("estimated", "reserved", "accrued", "settled", "adjusted", "cost"), "0.00")
    return {**nothing, "quantity": 0, **cost, **told}


def test_a_report_has_the_keys_asked_for_and_a_total(spender: Team) -> None:
    assert spender.member.get(f"{PATH}&group_by=team,model").json() == {
        "object": "cost_report",
        "period": {"start": "2031-03-01T00:00:00Z", "end": "2031-04-01T00:00:00Z", "state": "open", "revision": 0},
        "as_of": None,
        "group_by": ["team", "model"],
        "currency": "USD",
        "rows": [
            {"team": spender.slug, "model": "ft:a", **amounts(estimated="10.00", settled="0.25836", quantity=86_120)},
            {
                "team": spender.slug, "model": None,
                **amounts(estimated="10.00", reserved="1.25", settled="3.00", quantity=1_000_000),
            },
        ],
        "total": amounts(estimated="20.00", reserved="1.25", settled="3.25836", quantity=1_086_120),
        "has_more": False,
        "next": None,
    }  # fmt: skip


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/csv;q=0.5, application/json"])
def test_json_comes_unless_csv_is_wanted(spender: Team, accept: str | None) -> None:
    answer = spender.member.get(PATH, headers={"Accept": accept} if accept else {})
    assert answer.headers["content-type"] == "application/json"
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("query", "accept"), [("&format=csv", "application/json"), ("", "text/csv"), ("", "TEXT/CSV;q=1")]
)
def test_csv_is_a_file_no_browser_guesses_about(spender: Team, query: str, accept: str) -> None:
    answer = spender.member.get(f"{PATH}&group_by=model,team{query}", headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="costs-2031-03.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text == (
        "period,model,team,currency,estimated,reserved,accrued,settled,adjusted,cost,quantity\r\n"
        f"2031-03,ft:a,{spender.slug},USD,10.00,0.00,0.00,0.25836,0.00,0.25836,86120\r\n"
        f"2031-03,,{spender.slug},USD,10.00,1.25,0.00,3.00,0.00,3.00,1000000\r\n"
    )


def test_json_can_be_told_from_csv_by_the_query(spender: Team) -> None:
    answer = spender.member.get(f"{PATH}&format=json", headers={"Accept": "text/csv"})
    assert answer.json()["object"] == "cost_report"


def test_a_spreadsheet_runs_nothing_a_team_has_named(make_team: Callable[..., Team]) -> None:
    team = make_team()
    for model in ('=HYPERLINK("http://evil","x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"):
        spend(facts(team), 1_000_000, at=MONTH, model=model)
    lines = team.member.get(f"{PATH}&group_by=model&format=csv").text
    for cell in (
        "\"'=HYPERLINK(\"\"http://evil\"\",\"\"x\"\")\"", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "\"'\r=1\"", "\"'\n=1\"",
        "'\uff1d1",
    ):  # fmt: skip
        assert f"2031-03,{cell},USD,10.00,0.00,0.00,3.00,0.00,3.00,1000000" in lines


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("group_by=owner", "group_by", "unknown_group"),
        ("group_by=", "group_by", "unknown_group"),
        ("period=2026-13", "period", "bad_period"),
        ("period=2026-11-01", "period", "bad_period"),
        ("format=ods", "format", "invalid_request"),
        ("start=2026-11-01", "end", "bad_span"),
        ("start=2026-11-02&end=2026-11-02", "end", "bad_span"),
        ("start=1999-01-01&end=2026-11-02", "start", "bad_span"),
        ("period=2026-11&start=2026-11-01&end=2026-11-02", "period", "bad_span"),
        ("start=yesterday&end=2026-11-02", "start", "invalid_request"),
        ("as_of=2126-11-02T00:00:00Z", "as_of", "as_of_too_recent"),
        ("as_of=2026-11-02T00:00:00", "as_of", "invalid_request"),
        ("as_of=0001-01-01T00:00:00%2B14:00", "as_of", "invalid_request"),
        ("sort=team", "sort", "unknown_sort"),
        ("after=x", "after", "bad_cursor"),
        ("limit=50001", "limit", "invalid_request"),
    ],
)
def test_what_cannot_be_reported_is_named(team: Team, query: str, parameter: str, code: str) -> None:
    answer = team.member.get(f"/v1/costs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_without_a_period_it_is_the_present_month(team: Team) -> None:
    before, answer, after = clock.now(), team.member.get("/v1/costs"), clock.now()
    assert answer.json()["period"]["start"] in {f"{at:%Y-%m}-01T00:00:00Z" for at in (before, after)}


def test_a_team_sees_itself_finance_and_operators_see_all(
    platform: Platform, make_team: Callable[..., Team], spender: Team
) -> None:
    other = make_team()
    spend(facts(other), 2_000_000, at=MONTH)
    assert [row["team"] for row in spender.viewer.get(PATH).json()["rows"]] == [spender.slug]
    with unit_of_work(CLI) as session:
        _, key = tenants.create_key(
            session, CLI, team_id=None, role=tenants.Role.FINANCE, name="finance", at=clock.now()
        )
    for client in (Client(platform.stack.api_url, key), platform.operator):
        seen = {row["team"]: row["settled"] for row in client.get(PATH).json()["rows"]}
        assert (seen[spender.slug], seen[other.slug]) == ("3.25836", "6.00")
    assert spender.resolver.get(PATH).status_code == 403


def test_the_report_agrees_with_the_budget(make_team: Callable[..., Team]) -> None:
    team = make_team(budget="10.00")
    known, now = facts(team), clock.now()
    job_id = hold(known, "4", at=now)
    charge(known, job_id, 500_000, at=now)
    hold(known, "2.5", at=now)
    total = team.member.get(f"/v1/costs?period={now:%Y-%m}").json()["total"]
    with read_only(CLI) as session:
        budget = quotas.budget(session, known, now)
    assert (Decimal(total["settled"]), Decimal(total["reserved"])) == (budget.spent, budget.held)


def test_a_report_that_one_has_already_is_not_sent_again(spender: Team) -> None:
    first = spender.member.get(PATH)
    assert first.headers["etag"].startswith('"2031-03.open-')
    for condition in (first.headers["etag"], f'"x", W/{first.headers["etag"]}', "*"):
        again = spender.member.get(PATH, headers={"If-None-Match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    hold(facts(spender), "1", at=MONTH)
    changed = spender.member.get(PATH, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_pages_of_json_are_asked_for_with_next(spender: Team) -> None:
    path = f"{PATH}&group_by=model&sort=-cost&limit=1"
    first = spender.member.get(path).json()
    assert (first["rows"][0]["model"], first["has_more"]) == (None, True)
    second = spender.member.get(f"{path}&after={first['next']}").json()
    assert (second["rows"][0]["model"], second["has_more"], second["next"]) == ("ft:a", False, None)
    assert second["total"] == first["total"]
    for other in (f"{PATH}&group_by=model", f"{PATH}&group_by=team&sort=-cost"):
        refused = spender.member.get(f"{other}&after={first['next']}")
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize(
    "cursor",
    [
        "bnVsbA==",
        "W10=",
        "W1sidGVhbSJdLDFd",
        "W1siIiwgInRlYW0iXSwgIgAiXQ==",
        "é",
        "=" * 50,
        "W1tb" * 900,
        base64.b64encode(rb'[["", "team"], "\ud800"]').decode(),
        base64.b64encode(rb'[["", "team"], "\u0000"]').decode(),
    ],
)
def test_no_cursor_is_an_error_of_ours(team: Team, cursor: str) -> None:
    answer = team.viewer.get("/v1/costs", params={"after": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


def test_a_report_is_a_workbook_or_parquet_too(spender: Team) -> None:
    path = f"{PATH}&group_by=team,day&start=2031-03-01&end=2031-04-02".replace("period=2031-03&", "")
    workbook = spender.member.get(f"{path}&format=xlsx")
    assert workbook.headers["content-disposition"] == 'attachment; filename="costs-2031-03-01_2031-04-02.xlsx"'
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(workbook.content)).get_sheet_by_index(0).to_python()
    parquet = spender.member.get(path, headers={"Accept": "application/vnd.apache.parquet"})
    table = pd.read_parquet(io.BytesIO(parquet.content))
    header, *rows = sheet
    assert header == list(table.columns)
    assert [row[header.index("day")] for row in rows] == [MONTH.date(), ""]
    assert list(table["day"]) == [MONTH.date(), None]
    assert [row[header.index("cost")] for row in rows] == [3.25836, 0]
    assert table["cost"].sum() == Decimal("3.25836")
    assert list(table["reserved"]) == [0, Decimal("1.25")]
