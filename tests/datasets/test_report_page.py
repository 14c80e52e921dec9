"""The report as a page: complete by itself, safe whatever is in it, and with advice on every problem there can be."""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from service.api.report_page import CONTENT_SECURITY_POLICY, page
from service.datasets.rules.consequences import consequence, told
from service.datasets.rules.explained import explain
from service.datasets.rules.problems import RULES, Severity
from service.datasets.rules.states import State
from service.datasets.schemas.report import ReportView, TrainingPrice
from service.kit import ids
from tests.conftest import Launch
from tests.datasets.chat import ERRAND, TALK, changed, file_of, good, line, read
from tests.datasets.looking import Looker, looking

VOID: Final = {"meta", "link", "br", "img", "rect"}
HOSTILE: Final = '"><script>alert(1)</script>&amp;'


@pytest.fixture(scope="module")
def looker(launch: Launch) -> Iterator[Looker]:
    with looking(launch) as found:
        yield found


class Page(HTMLParser):
    """A page taken apart; every element must be closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def view(data: bytes, **more: Any) -> ReportView:
    found = read(data, deep=True)
    facts: dict[str, Any] = {
        "dataset": "dset_01m7w74m4ve4esgepz92mvfgnz", "state": State.READY if found.is_ready else State.INVALID,
        "format": found.format, "examples": found.examples, "errors": found.errors, "warnings": found.warnings,
        "default_epochs": 3, "prices": [], **found.as_json(), **more,
    }  # fmt: skip
    return ReportView(**facts)


def shown(report: ReportView, name: str = "tide") -> Page:
    return Page(page(report, name=name, file="tide.jsonl", checked_at=datetime(2026, 11, 20, 10, tzinfo=UTC)))


def broken() -> bytes:
    lines = good(40)
    lines[3] = changed(TALK, lambda e: e["messages"][1].update(role="observer"))
    lines[7] = changed(ERRAND, lambda e: e.update({HOSTILE: 1}))
    return file_of([*lines, *[line(TALK)] * 20])


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    found = shown(view(broken()))
    assert {tag for tag, _ in found.elements} & {"script", "img", "link", "iframe", "form", "object"} == set()
    assert not [attributes for _, attributes in found.elements if "style" in attributes]
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert all((one["href"] or "").startswith("/v1/datasets/") for one in found.all("a"))
    allowed = re.findall(r"'sha256-([^']+)'", CONTENT_SECURITY_POLICY)
    assert allowed == [base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()]
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none';")


def test_what_costs_less_than_a_cent_is_not_shown_as_nothing() -> None:
    price = TrainingPrice(
        model="m", encoding="o200k_base", example_tokens_max=65_536, truncated_examples=0, lost_tokens=0, epochs=3,
        tokens_per_epoch=100, tokens=300, price=Decimal("0.0009"), currency="USD", price_id=None, unavailable=None,
    )  # fmt: skip
    assert "under 0.01 USD" in shown(view(file_of(good(60)), prices=[price])).text


def test_whatever_comes_from_outside_is_escaped() -> None:
    report = view(broken())
    report.problems[0].message = HOSTILE
    report.problems[0].pointer = HOSTILE
    found = shown(report, name=HOSTILE)
    assert found.text.count(HOSTILE) == 4  # title, heading, message, pointer
    assert not found.all("script")


def test_the_page_says_what_is_wrong_what_it_means_and_where() -> None:
    found = shown(view(broken()))
    assert "Not ready. 1 error must be mended" in " ".join(found.text.replace("\u2717", "").split())
    assert f"If it stays: {consequence('unknown_role')}" in found.text
    assert f"To mend it: {explain('unknown_role').mend}" in found.text
    hrefs = [one["href"] for one in found.all("a")]
    assert "/v1/datasets/dset_01m7w74m4ve4esgepz92mvfgnz/examples?line=4" in hrefs
    assert any((one or "").endswith("/examples?code=duplicate_example") for one in hrefs)
    assert any((one or "").endswith("/problems?format=csv&code=duplicate_example") for one in hrefs)
    before, after = found.text.index("unknown_role"), found.text.index("duplicate_example")
    assert before < after  # errors come first


def test_the_page_can_be_heard() -> None:
    found = shown(view(broken()))
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("h1")) == 1
    assert {one.get("scope") for one in found.all("th")} == {"col", "row"}
    assert len(found.all("caption")) == len(found.all("table")) > 2
    assert {one.get("aria-hidden") for one in found.all("svg")} == {"true"}  # the numbers stand beside


def test_without_a_service_there_are_no_links() -> None:
    assert shown(view(broken(), dataset="")).all("a") == []


@pytest.mark.parametrize("data", [b"", b"name,mail\nanna,x\n" * 5, file_of(good(60)), b"{\n" * 30])
def test_every_report_has_a_page(data: bytes) -> None:
    found = shown(view(data))
    assert ("Ready to train on" in found.text) == (data == file_of(good(60)))


def test_every_warning_says_what_comes_of_it() -> None:
    """Of an error it is that the provider refuses the file, unless something else is said."""
    assert told() <= RULES.keys()
    warnings = {code for code, (severity, _) in RULES.items() if severity is Severity.WARNING}
    assert {code for code in warnings if consequence(code) == consequence("unknown_role")} == set()


# ---------------------------------------------------------------------------------------------------------- over HTTP
def test_a_browser_gets_the_page_and_a_program_the_json(looker: Looker) -> None:
    dataset = looker.post(broken())
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    asked = looker.ask(dataset, "report", headers={"Accept": browser})
    assert asked.headers["content-type"] == "text/html; charset=utf-8"
    assert asked.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert asked.headers["x-content-type-options"] == "nosniff"
    assert "Accept" in asked.headers["vary"]
    assert looker.ask(dataset, "report.html").text == asked.text
    assert looker.ask(dataset, "report", format="html").text == asked.text
    assert "tide.jsonl" in Page(asked.text).text
    for accept in ("*/*", "application/json", "application/json, text/html"):
        assert looker.told(dataset, "report", headers={"Accept": accept})["object"] == "dataset_report"
    assert looker.refused(ids.show("dset", ids.new_id()), "report.html")[0] == 404
