"""The page of problems: complete, and its examples are what they are said to be."""

import pytest

from service.datasets.rules.explained import EXPLAINED, explain
from service.datasets.rules.problems import RULES
from tests.datasets.chat import file_of, good, line, read_all
from tests.datasets.corpus.others import completion, item

EXAMPLES = {code: one.example for code, one in EXPLAINED.items() if one.example is not None}


def test_every_rule_is_explained_and_nothing_else() -> None:
    assert EXPLAINED.keys() <= RULES.keys()
    for code in RULES:
        assert explain(code).mend.endswith((".", "`."))
        assert explain(code).source


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_has_the_problem(code: str) -> None:
    own = {"ends_without_question": item, "empty_completion": completion}.get(code)
    sound = [line(own(n)) for n in range(60)] if own else good(60)
    report = read_all(file_of([*sound, EXAMPLES[code].encode()]))
    aside = {"few_examples", "system_prompt_missing"}
    assert {(one.line, one.code) for one in report.problems if one.code not in aside} == {(61, code)}
