"""Graders through the unmodified SDK: rewards, errors in their place, and what is refused."""

from typing import Any

import openai
import pytest

from tests.emulator.world import Project

SAID = "{{ sample.output_text }}"
CHECK = {"type": "string_check", "name": "check", "input": SAID, "reference": "{{item.answer}}", "operation": "eq"}
ALIKE = {
    "type": "text_similarity",
    "name": "alike",
    "input": SAID,
    "reference": "{{item.answer}}",
    "evaluation_metric": "fuzzy_match",
}
MULTI = {
    "type": "multi",
    "name": "both",
    "graders": {"check": CHECK, "alike": ALIKE},
    "calculate_output": "0.25 * check + 0.75 * max(alike, 0)",
}
JSON = {**CHECK, "input": "{{sample.output_json.colour.0}}"}


def run(project: Project, grader: dict[str, Any], sample: str, answer: Any = "The sky is blue") -> Any:
    return project.openai.fine_tuning.alpha.graders.run(
        grader=grader,  # type: ignore[arg-type]  # the SDK types a multi's graders as one; the service takes them by name
        model_sample=sample,
        item={"answer": answer},
    )


@pytest.mark.parametrize(
    ("grader", "sample", "reward"),
    [
        (CHECK, "The sky is blue", 1),
        (CHECK, "the sky is blue", 0),
        ({**CHECK, "operation": "ne"}, "the sky is blue", 1),
        ({**CHECK, "operation": "like"}, "Well: The sky is blue.", 1),
        ({**CHECK, "operation": "like"}, "the SKY is blue", 0),
        ({**CHECK, "operation": "ilike"}, "the SKY is blue!", 1),
        (ALIKE, "The sky is blue", 1),
        (ALIKE, "The sky is blu", 28 / 29),
        ({**ALIKE, "evaluation_metric": "bleu"}, "The sky is blue", 1),
        ({**ALIKE, "evaluation_metric": "gleu"}, "The sky is", 6 / 10),
        ({**ALIKE, "evaluation_metric": "rouge_1"}, "blue sky", 2 / 3),
        ({**ALIKE, "evaluation_metric": "rouge_2"}, "blue sky", 0),
        ({**ALIKE, "evaluation_metric": "rouge_l"}, "sky blue", 2 / 3),
        (MULTI, "The sky is blue", 1),
        (MULTI, "The sky is blu", 0.75 * 28 / 29),
        ({**JSON, "reference": "blue"}, '{"colour": ["blue"]}', 1),
    ],
)
def test_a_reward(project: Project, grader: dict[str, Any], sample: str, reward: float) -> None:
    graded = run(project, grader, sample)
    assert graded.reward == pytest.approx(reward)
    assert not [name for name, met in graded.metadata.errors.model_dump().items() if met]


def test_a_multi_grader_tells_its_parts(project: Project) -> None:
    graded = run(project, MULTI, "The sky is blu")
    assert graded.sub_rewards == {"check": 0, "alike": pytest.approx(28 / 29)}
    assert (graded.metadata.name, graded.metadata.type) == ("both", "multi")


@pytest.mark.parametrize(
    ("grader", "error"),
    [
        (JSON, "sample_parse_error"),
        ({**CHECK, "reference": "{{item.nothing}}"}, "invalid_variable_error"),
        ({**MULTI, "calculate_output": "1 / check"}, "formula_parse_error"),
    ],
)
def test_what_goes_wrong_is_told_and_worth_nothing(project: Project, grader: dict[str, Any], error: str) -> None:
    graded = run(project, grader, "no JSON")
    assert graded.reward == 0
    assert [name for name, met in graded.metadata.errors.model_dump().items() if met] == [error]


@pytest.mark.parametrize(
    ("grader", "param"),
    [
        ({**CHECK, "operation": "equals"}, "grader.operation"),
        ({**CHECK, "name": None}, "grader.name"),
        ({**ALIKE, "evaluation_metric": "levenshtein"}, "grader.evaluation_metric"),
        ({**MULTI, "graders": {}}, "grader.graders"),
        ({**MULTI, "graders": {"m": MULTI}}, "grader.graders.m.type"),
        ({**MULTI, "calculate_output": "check + other"}, "grader.calculate_output"),
        ({**MULTI, "calculate_output": "__import__('os').getcwd()"}, "grader.calculate_output"),
        ({**MULTI, "calculate_output": "(" * 5000}, "grader.calculate_output"),
        ({"type": "python", "name": "p", "source": "def grade(:"}, "grader.source"),
        ({"type": "label_model", "name": "l"}, "grader.type"),
    ],
    ids=str,
)
def test_a_wrong_grader_is_refused_by_name(project: Project, grader: dict[str, Any], param: str) -> None:
    for verb in ("validate", "run"):
        answer = project.http.post(
            f"/fine_tuning/alpha/graders/{verb}", json={"grader": grader, "model_sample": "", "item": {}}
        )
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    "grader",
    [
        {"type": "python", "name": "p", "source": "def grade(sample, item):\n    return 1.0\n"},
        {"type": "score_model", "name": "s", "model": "gpt-4o", "input": [{"role": "user", "content": SAID}]},
        {**ALIKE, "evaluation_metric": "meteor"},
    ],
    ids=str,
)
def test_what_is_not_run_here_is_checked_and_clearly_refused(project: Project, grader: Any) -> None:
    assert project.openai.fine_tuning.alpha.graders.validate(grader=grader).grader
    with pytest.raises(openai.BadRequestError, match="This emulator does not") as refused:
        run(project, grader, "x")
    assert refused.value.code == "unsupported_value"
