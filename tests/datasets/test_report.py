"""The report, asked further: the notebook's counting, prices of other models, what a validation set has seen."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.conftest import Launch
from tests.datasets.chat import TALK, changed, file_of, good
from tests.datasets.looking import Looker, looking

PRICED: Final = "gpt-4o-mini-2024-07-18"


@pytest.fixture(scope="module")
def looker(launch: Launch) -> Iterator[Looker]:
    with looking(launch) as found:
        yield found


@pytest.fixture(scope="module")
def talks(looker: Looker) -> str:
    return looker.post(file_of(map(talk, range(60))))


def talk(number: int) -> bytes:
    return changed(TALK, lambda e: e["messages"][1].update(content=f"When does light {number} turn?"))


def priced(report: dict[str, Any], model: str) -> dict[str, Any]:
    (found,) = [one for one in report["prices"] if one["model"] == model]
    return dict(found)


def test_the_notebooks_counting_is_priced_too_and_labelled(looker: Looker, talks: str) -> None:
    told, other = looker.told(talks, "report"), looker.told(talks, "report", counting="notebook")
    assert (told["counting"], other["counting"]) == ("template", "notebook")
    ours, theirs = priced(told, PRICED), priced(other, PRICED)
    assert theirs["tokens_per_epoch"] == other["tokens"][0]["notebook"]["per_example"]["total"]
    assert theirs["tokens_per_epoch"] == ours["tokens_per_epoch"] + 3 * 60  # three more an example: openai.md §3.7
    assert theirs["tokens"] == 3 * theirs["tokens_per_epoch"]
    assert Decimal(theirs["price"]) > Decimal(ours["price"])
    assert looker.refused(talks, "report", counting="abacus") == (422, "invalid_request")


def test_the_price_of_a_model_that_is_not_trained_any_more_is_rough(looker: Looker, talks: str) -> None:
    told = looker.told(talks, "report", model=["gpt-3.5-turbo-0125", PRICED, "gpt-4o-mini"])
    assert [one["model"] for one in told["prices"]].count(PRICED) == 1
    exact, rough = priced(told, PRICED), priced(told, "gpt-3.5-turbo-0125")
    assert (exact["rough"], exact["rough_because"]) == (False, None)
    assert rough["rough"]
    assert "counted in o200k_base, not in its own cl100k_base" in rough["rough_because"]
    assert "gpt-3.5-turbo-0125" in rough["rough_because"]  # and that nobody can train it
    assert rough["tokens_per_epoch"] == exact["tokens_per_epoch"]
    unknown = looker.ask(talks, "report", model="gpt-nobody")
    assert (unknown.status_code, unknown.json()["errors"][0]["parameter"]) == (422, "model")
    assert looker.refused(talks, "report", model=["x"] * 21) == (422, "invalid_request")


def test_an_invalid_dataset_has_no_price_however_it_is_asked(looker: Looker) -> None:
    dataset = looker.post(file_of([*good(20), b"{"]))
    assert looker.told(dataset, "report", model=PRICED, counting="notebook")["prices"] == []


# ------------------------------------------------------------------------------------------------------------- leakage
def test_what_a_validation_set_shares_is_named(looker: Looker, talks: str) -> None:
    other = looker.post(file_of([*map(talk, range(100, 140)), talk(7), talk(3)]))
    leak = looker.told(talks, "report", validation=other)["leakage"]
    assert leak == {
        "validation": other, "examples": 2, "exact": True, "unavailable": None,
        "lines": [{"line": 4, "validation_line": 42}, {"line": 8, "validation_line": 41}],
    }  # fmt: skip
    assert looker.told(talks, "report")["leakage"] is None
    apart = looker.post(file_of(map(talk, range(200, 240))))
    assert looker.told(talks, "report", validation=apart)["leakage"]["examples"] == 0
    assert other in looker.ask(talks, "report.html", validation=other).text


def test_a_validation_set_that_cannot_be_compared_says_so(looker: Looker, talks: str) -> None:
    other = looker.post(b"question,answer\nwhy?,because\n" * 5)
    leak = looker.told(talks, "report", validation=other)["leakage"]
    assert leak["examples"] is None
    assert leak["unavailable"]
    assert looker.refused(talks, "report", validation="dset_x")[0] == 404


def test_a_job_is_told_that_its_validation_data_is_what_it_trains_on(looker: Looker, talks: str) -> None:
    other = looker.post(file_of([*map(talk, range(300, 320)), talk(7)]))
    body = {"model": PRICED, "dataset": talks, "validation_dataset": other}
    told = looker.team.member.post("/v1/jobs/estimate", body).json()
    (warning,) = [one for one in told["warnings"] if one["code"] == "validation_data_seen"]
    assert warning["pointer"] == "#/validation_dataset"
    assert warning["message"].startswith("1 of the examples trained on are in the validation data too; the first")
    made = looker.team.member.post("/v1/jobs", body)
    assert "validation_data_seen" in [one["code"] for one in made.json()["warnings"]], made.text
    apart = {**body, "validation_dataset": looker.post(file_of(map(talk, range(400, 420))))}
    told = looker.team.member.post("/v1/jobs/estimate", apart).json()
    assert "validation_data_seen" not in [one["code"] for one in told["warnings"]]
