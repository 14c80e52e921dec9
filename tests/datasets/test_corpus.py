"""Every fault of the corpus is found on its line and at its place, and nothing else is said."""

import json
from collections.abc import Callable

import pytest

from service.datasets.rules.problems import RULES
from service.datasets.rules.report import Limit
from tests.datasets.chat import O200K, file_of, found, good, line, read_all
from tests.datasets.corpus import chats, others, texts
from tests.datasets.corpus.faults import Fault
from tests.datasets.corpus.files import FILES
from tests.datasets.texts.test_secrets import IN_CONTEXT, SAMPLES

LIMITS = [Limit(O200K, 5_000)]
LINES: dict[str, tuple[list[Fault], Callable[[int], list[bytes]]]] = {
    "chat": (chats.FAULTS, good),
    "texts": (texts.FAULTS, good),
    "preference": (others.PAIRS, lambda count: [line(others.pair(n)) for n in range(count)]),
    "reinforcement": (others.ITEMS, lambda count: [line(others.item(n)) for n in range(count)]),
    "prompt_completion": (others.COMPLETIONS, lambda count: [line(others.completion(n)) for n in range(count)]),
}
ELSEWHERE = {
    "whole_invalid",
    "empty_part",
    "too_many_classes",
}  # about datasets that are made: test_splits, test_strata


@pytest.mark.parametrize("name", LINES)
def test_every_fault_is_found_on_its_line_and_nothing_else(name: str) -> None:
    faults, sound = LINES[name]
    written, expected = sound(200), set()
    for place, fault in enumerate(faults):
        at = 60 + place * 2  # between good lines
        written.insert(at, fault.line)
        expected |= {(at + 1, pointer, code) for pointer, code in fault.told}
    report = read_all(file_of(written), limits=LIMITS)
    assert set(found(report)) == expected
    assert len(report.problems) == len(expected)
    assert report.format in {name, "chat"}


@pytest.mark.parametrize("name", FILES)
def test_what_only_a_whole_file_shows_is_told_and_nothing_else(name: str) -> None:
    file = FILES[name]
    report = read_all(file.data(), **file.options)
    assert set(found(report)) == file.told
    assert report.problem_totals == {code: 1 for _, _, code in file.told}


def test_every_rule_is_broken_by_the_corpus() -> None:
    """A rule nobody can break is dead."""
    lines = {code for faults, _ in LINES.values() for fault in faults for _, code in fault.told}
    files = {code for file in FILES.values() for _, _, code in file.told}
    assert lines | files | ELSEWHERE == RULES.keys()
    assert sum(len(faults) for faults, _ in LINES.values()) >= 80


@pytest.mark.parametrize("name", LINES)
def test_no_secret_of_the_corpus_comes_out_in_a_report(name: str) -> None:
    faults, _ = LINES[name]
    told = json.dumps(read_all(file_of([*good(20), *[fault.line for fault in faults]])).as_json())
    for secret in [part for _, *parts in [*SAMPLES, *IN_CONTEXT] for part in parts if len(part) > 15]:
        assert json.dumps(secret)[1:-1] not in told


def test_a_sound_file_is_sound_however_closely_one_looks() -> None:
    for name, (_, sound) in LINES.items():
        report = read_all(file_of(sound(200)))
        assert (name, found(report), report.is_ready) == (name, [], True)
