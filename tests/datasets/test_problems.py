"""All problems of a dataset: in pages, and as files."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import pytest

from service.datasets import findings
from service.datasets.errors import DatasetFileGone
from service.datasets.rules.problems import Problem, Severity
from service.datasets.stored import Part, Stored
from service.kit import ids, storage
from tests.conftest import Launch
from tests.datasets.chat import TALK, changed, file_of, line
from tests.datasets.looking import Looker, looking

LINES: Final = 1_200


@pytest.fixture(scope="module")
def looker(launch: Launch) -> Iterator[Looker]:
    with looking(launch) as found:
        yield found


def wrong(number: int) -> bytes:
    """Every third has a role nobody knows, every fifth an unknown key with a formula in its name."""

    def change(example: dict[str, Any]) -> None:
        example["messages"][1]["content"] = f"When does light {number} turn?"
        if number % 3 == 0:
            example["messages"][1]["role"] = "keeper"
        if number % 5 == 0:
            example["=1+1"] = 1

    return changed(TALK, change)


@pytest.fixture(scope="module")
def large(looker: Looker) -> str:
    return looker.post(file_of(map(wrong, range(1, LINES + 1))))


OF_LINES: Final = [
    (number, code)
    for number in range(1, LINES + 1)
    for code, every in (("unknown_key", 5), ("unknown_role", 3))
    if number % every == 0
]
EXPECTED: Final = [*OF_LINES, (None, "same_answer")]


def pages(looker: Looker, dataset: str, **query: Any) -> list[dict[str, Any]]:
    told = [looker.told(dataset, "problems", **query)]
    while told[-1]["has_more"]:
        told.append(looker.told(dataset, "problems", **query, after=told[-1]["last_id"]))
    return told


def test_all_problems_come_in_pages_that_join_without_a_seam(looker: Looker, large: str) -> None:
    told = pages(looker, large, limit=100)
    found = [one for page in told for one in page["data"]]
    assert [(one["line"], one["code"]) for one in found] == EXPECTED
    assert len({one["id"] for one in found}) == len(found)
    assert {page["total"] for page in told} == {len(EXPECTED)}
    assert {tuple(page["may_be_cut"]) for page in told} == {()}
    first = told[0]["data"]
    again = looker.told(large, "problems", limit=100, after=first[36]["id"])["data"]
    assert again[:63] == first[37:]


@pytest.mark.parametrize(
    ("query", "code"),
    [({"code": "unknown_key"}, "unknown_key"), ({"severity": "error"}, "unknown_role")],
)
def test_problems_are_filtered(looker: Looker, large: str, query: dict[str, str], code: str) -> None:
    told = pages(looker, large, limit=100, **query)
    found = [(one["line"], one["code"]) for page in told for one in page["data"]]
    assert found == [one for one in OF_LINES if one[1] == code]
    assert told[0]["total"] == len(found)


def test_json_lines_have_them_all(looker: Looker, large: str) -> None:
    answer = looker.ask(large, "problems", headers={"Accept": "application/x-ndjson"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["content-disposition"] == f'attachment; filename="{large}-problems.jsonl"'
    found = [json.loads(one) for one in answer.text.splitlines()]
    assert [(one["line"], one["code"]) for one in found] == EXPECTED
    assert found[0].keys() == {"line", "pointer", "code", "severity", "message"}
    assert looker.ask(large, "problems", format="jsonl").text == answer.text


def test_a_spreadsheet_runs_none_of_them(looker: Looker, large: str) -> None:
    answer = looker.ask(large, "problems", severity="warning", headers={"Accept": "text/csv"})
    assert answer.headers["content-disposition"] == f'attachment; filename="{large}-problems.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["line"] for row in rows] == [*(str(n) for n, code in OF_LINES if code == "unknown_key"), ""]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    assert looker.ask(large, "problems", severity="warning", format="csv").text == answer.text


def test_a_part_that_shares_its_wholes_fate_has_the_reports_own_problems(looker: Looker, large: str) -> None:
    made = looker.team.member.post(f"/v1/datasets/{looker.post(file_of([line(TALK)] * 12))}/split",
                                   {"validation_count": 11})  # fmt: skip
    assert made.status_code == 202, made.text
    part = made.json()["train"]["id"]
    looker.check(part)
    told = looker.told(part, "problems")
    report = looker.told(part, "report")
    assert [one["code"] for one in told["data"]] == [one["code"] for one in report["problems"]]


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"limit": 101}, (422, "invalid_request")),
        ({"severity": "bad"}, (422, "invalid_request")),
        ({"format": "xlsx"}, (422, "invalid_request")),
        ({"after": "0.3"}, (404, "cursor_not_found")),
        ({"after": "1000.1"}, (404, "cursor_not_found")),
        ({"after": "0.999999999"}, (404, "cursor_not_found")),
    ],
)
def test_what_makes_no_sense_is_refused(
    looker: Looker, large: str, query: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert looker.refused(large, "problems", **query) == refusal


def test_a_dataset_without_problems_has_none(looker: Looker) -> None:
    def talk(number: int) -> bytes:
        return changed(TALK, lambda e: e["messages"][2].update(content=f"{words(number)}, every {number} seconds."))

    dataset = looker.post(file_of(map(talk, range(60))))
    told = looker.told(dataset, "problems")
    assert (told["data"], told["has_more"], told["total"], told["last_id"]) == ([], False, 0, None)
    assert looker.ask(dataset, "problems", format="jsonl").text == ""
    assert looker.ask(dataset, "problems", format="csv").text == "line,pointer,code,severity,message\r\n"


def words(number: int) -> str:
    """Unlike those of any other number, so that no two answers are nearly the same."""
    return " ".join(sha256(f"{number} {place}".encode()).hexdigest()[:6] for place in range(20))


# ------------------------------------------------------------------------------------------------- more than were kept
def shelved(totals: dict[str, int], parts: list[tuple[list[Problem], int]]) -> Stored:
    """Problems in storage, as a worker would have left them."""
    dataset = ids.new_id()
    made = []
    for number, (found, before) in enumerate(parts):
        key = f"datasets/nobody/{dataset}/{number}"
        storage.make(key, findings.as_json_lines(found))
        made.append(Part(key, before))
    return Stored(dataset, "", 0, "chat", 0, None, (), totals, (), tuple(made))


def an_error(number: int) -> Problem:
    return Problem(number, "/messages/1/role", "unknown_role", Severity.ERROR, "'keeper' is no role.")


@pytest.mark.usefixtures("quiet")
def test_what_was_counted_and_not_kept_is_said() -> None:
    found = shelved({"unknown_role": 150_007, "empty_line": 1}, [([an_error(1)], 0), ([an_error(2)], 500)])
    told = list(findings.every(found, findings.wanted()))
    assert [(one.line, one.code) for one in told] == [
        (1, "unknown_role"), (502, "unknown_role"), (None, "not_kept"), (None, "not_kept")
    ]  # fmt: skip
    assert told[2].message == "150005 more of unknown_role were counted and not kept."
    assert findings.page(found, findings.wanted(), after=None, limit=10).may_be_cut == ["unknown_role"]
    assert [one.line for one in findings.every(found, findings.wanted("empty_line"))] == [None]


@pytest.mark.usefixtures("quiet")
def test_a_download_of_what_was_removed_is_refused_before_it_begins() -> None:
    found = shelved({"unknown_role": 2}, [([an_error(1)], 0), ([an_error(2)], 500)])
    assert found.parts is not None
    storage.delete(found.parts[1].key)
    with pytest.raises(DatasetFileGone):
        findings.every(found, findings.wanted())


@pytest.mark.usefixtures("quiet")
def test_a_download_holds_a_piece_at_a_time() -> None:
    count = 150_000
    found = shelved({"unknown_role": count}, [([an_error(n) for n in range(1, count + 1)], 0)])
    tracemalloc.start()
    size = sum(map(len, findings.as_csv(findings.every(found, findings.wanted()))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 9_000_000
    assert peak < 6 * storage.CHUNK_BYTES
