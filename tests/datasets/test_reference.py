"""Files nobody here wrote. See SOURCES.md beside them; tests skip where they are absent."""

import json
import os
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from service.datasets.rules.checker import check
from service.datasets.rules.counting import pieces_of, weigh
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.formats import METHODS
from service.datasets.rules.problems import Severity
from service.datasets.rules.report import Limit
from service.provider import tokens
from tests.datasets.chat import O200K, found, read

CL100K = tokens.CL100K
pytestmark = pytest.mark.reference
BESIDE = Path(__file__).parents[3] / "shared" / "data"


def data(name: str) -> bytes:
    file = Path(os.environ.get("TUNEPLANE_REFERENCE_DATA", BESIDE)) / name
    if not file.exists():
        pytest.skip(f"no {name} in $TUNEPLANE_REFERENCE_DATA or {BESIDE}")
    return file.read_bytes()


def examples(name: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in data(name).splitlines()]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("gsm8k_chat_train.jsonl", 449),
        ("gsm8k_chat_validation.jsonl", 50),
        ("stock_toolcall_training.jsonl", 86),
        ("stock_toolcall_validation.jsonl", 10),
        ("zava_retail_sft_multiturn_tools_test.jsonl", 103),
    ],
)
def test_real_chat_files_have_no_error(name: str, rows: int) -> None:
    report = read(data(name))
    assert (report.format, report.examples, report.errors) == ("chat", rows, 0)
    assert [code for _, _, code in found(report)] == (["few_examples"] if rows < 50 else [])
    assert report.tokens[0]["per_example"]["total"] > 0


@pytest.mark.parametrize(
    ("name", "found_format"),
    [
        ("orca_dpo_pairs_validation.jsonl", "preference"),
        ("countdown_rft_train_100.jsonl", "reinforcement"),
        ("countdown_rft_valid_50.jsonl", "reinforcement"),
        ("rft_toolcall_train.jsonl", "reinforcement"),
    ],
)
def test_real_pairs_and_items_have_no_error_and_cost_what_the_emulator_bills(name: str, found_format: str) -> None:
    from emulator.validation import examine

    report = read(data(name))
    assert (report.format, report.errors) == (found_format, 0)
    billed = examine(data(name), O200K, report.billing[0].limit, METHODS[found_format]).tokens
    assert report.billing[0].billed_tokens == billed


@pytest.mark.parametrize(
    ("name", "found_format"),
    [
        ("sarcasm_qa.jsonl", "question_answer"),
        ("banking77_train.csv", "csv"),
        ("afrisenti_ha_dev.tsv", "tsv"),
        ("openai.openapi.yaml", "text"),
    ],
)
def test_other_real_files_are_named_and_refused(name: str, found_format: str) -> None:
    report = read(data(name))
    assert report.format == found_format
    assert [(one.line, one.code, one.severity) for one in report.problems] == [
        (None, "unsupported_format", Severity.ERROR)
    ]


@pytest.mark.parametrize("name", ["ag_news_classify", "amazon_polarity_Is_this_product_review_positive"])
def test_real_prompts_and_completions_have_no_error(name: str) -> None:
    report = read(data(f"selfinstruct_t0_{name}.jsonl"))
    assert (report.format, report.errors, report.is_ready) == ("prompt_completion", 0, True)


def test_the_notebooks_own_numbers_are_reproduced() -> None:
    """openai.md §3.7, the golden numbers; the notebook counts in cl100k_base."""
    count = tokens.counter("cl100k_base")
    rows = examples("toy_chat_fine_tuning.jsonl")
    counted = [weigh(pieces_of(row), count, 1, {}) for row in rows]
    total, assistant = [one.notebook for one in counted], [one.notebook_learned for one in counted]
    assert total == [45, 111, 26, 28, 8032]
    assert assistant == [10, 28, 9, 4, 8000]
    assert [len(row["messages"]) for row in rows] == [3, 9, 2, 2, 3]
    assert (sum(n > 4096 for n in total), sum(min(4096, n) for n in total)) == (1, 4306)
    assert sum(min(16_385, n) for n in total) == 8242
    assert (default_epochs(5), default_epochs(5) * 4306) == (20, 86_120)
    (told,) = check([data("toy_chat_fine_tuning.jsonl")], {CL100K: count}, [Limit(CL100K, 4096)]).tokens
    by_notebook = told["notebook"]
    assert (by_notebook["per_example"]["total"], by_notebook["assistant"]["max"]) == (sum(total), 8000)


def test_the_toy_file_is_too_small_and_one_example_too_long() -> None:
    report = read(data("toy_chat_fine_tuning.jsonl"), limits=[Limit(O200K, 4096)])
    assert found(report) == [(None, "", "too_few_examples"), (5, "", "example_too_long")]
    assert (report.without_system, report.without_user, report.billing[0].truncated_examples) == (1, 1, 1)


def test_the_statistics_are_those_of_the_whole_list() -> None:
    name = "zava_retail_sft_multiturn_tools_test.jsonl"
    told = read(data(name)).tokens[0]["per_example"]
    from emulator.tokens import count_example

    counted = [count_example(row, O200K) for row in examples(name)]
    assert (told["total"], told["min"], told["max"]) == (sum(counted), min(counted), max(counted))
    assert told["median"] == median(counted)
    assert told["mean"] == pytest.approx(mean(counted), abs=0.01)
