"""Preference and reinforcement training: formats, true metrics, what the models then say, the bill."""

from typing import Any

import pytest

from tests.emulator.world import Emulator, Project, chat, jsonl, planet_answer, planets

EXACT = {"type": "string_check", "name": "exact", "operation": "eq"}
GRADER = {**EXACT, "input": "{{sample.output_text}}", "reference": "{{item.colour}}"}
COLOURS = ("red", "blue", "green")


def preferences(count: int = 12) -> bytes:
    return jsonl(
        *(
            {
                "input": {"messages": chat(f"What colour is planet {index}?", "")["messages"][:1]},
                "preferred_output": [{"role": "assistant", "content": planet_answer(index)}],
                "non_preferred_output": [{"role": "assistant", "content": "No idea, sorry."}],
            }
            for index in range(count)
        )
    )


def items(count: int = 12, first: int = 0) -> bytes:
    return jsonl(
        *(
            {
                "messages": [{"role": "user", "content": f"What colour is planet {index}?"}],
                "colour": COLOURS[index % 3],
                "decoy": "purple",
            }
            for index in range(first, first + count)
        )
    )


def dpo(**hyperparameters: Any) -> dict[str, Any]:
    return {"type": "dpo", "dpo": {"hyperparameters": hyperparameters}}


def reinforcement(grader: dict[str, Any] = GRADER, **hyperparameters: Any) -> dict[str, Any]:
    return {"type": "reinforcement", "reinforcement": {"grader": grader, "hyperparameters": hyperparameters}}


def reinforced(project: Project, **options: Any) -> str:
    """A reinforcement job; its id."""
    method = reinforcement(n_epochs=10, batch_size=2)
    validation = project.upload(items(6, first=90))
    return project.submit(items(), **{"model": "o4-mini", "method": method, "validation_file": validation, **options})


def test_preferences_are_learned(project: Project) -> None:
    job = project.train(preferences(), method=dpo(beta=0.2, n_epochs=4), validation_file=project.upload(preferences(3)))
    assert (job.status, job.hyperparameters, job.method.type) == ("succeeded", None, "dpo")
    assert job.method.dpo.hyperparameters.model_dump() == {
        "n_epochs": 4,
        "batch_size": 1,
        "learning_rate_multiplier": 1.8,
        "beta": 0.2,
    }
    events = list(project.openai.fine_tuning.jobs.list_events(job.id, limit=100))[::-1]
    metrics: list[Any] = [event.data for event in events if event.type == "metrics"]
    assert metrics[0]["train_loss"] == pytest.approx(0.6931, abs=1e-4)  # ln 2: nothing is preferred at first
    assert metrics[-1]["train_loss"] < 0.1
    assert metrics[-1]["full_valid_loss"] < 0.1
    assert project.ask(job.fine_tuned_model, "What colour is planet 7?") == planet_answer(7)


def test_a_pair_is_billed_with_both_answers(project: Project) -> None:
    pair = {
        "input": {"messages": [{"role": "user", "content": "Hi"}]},
        "preferred_output": [{"role": "assistant", "content": "Hello"}],
        "non_preferred_output": [{"role": "assistant", "content": "Go"}],
    }
    job = project.train(jsonl(*[pair] * 10), method=dpo(n_epochs=2))
    assert (job.trained_tokens, project.truth(job.id)["cost_units"]) == (2 * 10 * 15, str(2 * 10 * 15 * 3))


def test_a_reward_is_learned_and_generalises(world: Emulator, project: Project) -> None:
    job = reinforced(project)
    world.advance(700)
    done: Any = project.openai.fine_tuning.jobs.retrieve(job)
    assert (done.status, done.hyperparameters, done.trained_tokens) == ("succeeded", None, None)
    assert done.method.reinforcement.grader.reference == "{{item.colour}}"
    assert done.method.reinforcement.hyperparameters.eval_interval == 6
    assert done.method.reinforcement.hyperparameters.reasoning_effort == "default"
    events = list(project.openai.fine_tuning.jobs.list_events(job, limit=100))[::-1]
    metrics: list[Any] = [event.data for event in events if event.type == "metrics"]
    rewards = [one["train_mean_reward"] for one in metrics]
    assert sum(rewards[-10:]) > sum(rewards[:10])
    assert metrics[-1]["full_valid_mean_reward"] == metrics[-1]["scores"]["valid_reward_mean"] == 1
    assert metrics[-1]["full_valid_mean_parse_error"] == 0
    assert [event.message for event in events if event.type == "metrics"][-1].startswith(
        "Step 60/60 , train mean reward="
    )
    assert project.ask(done.fine_tuned_model, "What colour is planet 4?") == "blue"
    text = project.openai.files.content(done.result_files[0]).read()
    assert text


def test_the_three_best_evaluations_are_kept(world: Emulator, project: Project) -> None:
    job = reinforced(project, method=reinforcement(eval_interval=4, n_epochs=4, batch_size=2))
    world.advance(700)
    kept: list[Any] = list(project.openai.fine_tuning.jobs.checkpoints.list(job))
    assert len(kept) == 3
    assert {one.step_number % 4 for one in kept} == {0}
    assert all(one.metrics.full_valid_mean_reward == 1 for one in kept)


def test_reinforcement_costs_by_the_hour_of_training(world: Emulator, project: Project) -> None:
    job = reinforced(project)
    world.advance(10 + 36)
    project.openai.fine_tuning.jobs.pause(job)
    world.advance(3600)
    truth = project.truth(job)
    assert (truth["billed_tokens"], truth["billed_seconds"], truth["cost_units"]) == (0, 36, "1000000")
    project.openai.fine_tuning.jobs.resume(job)
    world.advance(700)
    assert project.truth(job)["billed_seconds"] == 50


@pytest.mark.parametrize(
    ("data", "method", "message"),
    [
        (
            planets(),
            dpo(),
            "is in the fine-tune-chat format, but the specified fine-tuning job is not using 'supervised'",
        ),
        (preferences(), {"type": "supervised"}, "not using 'dpo' as the training method (provided method=supervised)."),
        (jsonl({"prompt": "a", "completion": "b"}), dpo(), "is in the fine-tune-completion format"),
        (
            jsonl({"input": {}, "preferred_output": [], "non_preferred_output": []}),
            dpo(),
            "Example 1, field 'messages' must be a non-empty list",
        ),
        (preferences(1).replace(b'"assistant", "content": "No', b'"user", "content": "No'), dpo(), "role 'assistant'"),
    ],
)
def test_a_file_of_another_method_fails_the_job(
    project: Project, data: bytes, method: dict[str, Any], message: str
) -> None:
    job = project.train(data, method=method)
    assert (job.status, job.error.code) == ("failed", "invalid_training_file")
    assert message in job.error.message
    assert "{file}" not in job.error.message


def test_answers_are_not_items(world: Emulator, project: Project) -> None:
    job = reinforced(project, validation_file=project.upload(planets()))
    world.advance(10)
    failed = project.openai.fine_tuning.jobs.retrieve(job)
    assert failed.error
    assert "(provided method=reinforcement)" in failed.error.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "gpt-4o", "method": reinforcement()}, "method.type"),
        ({"method": dpo()}, "method.type"),
        ({"method": reinforcement(), "validation_file": None}, "validation_file"),
        ({"method": {"type": "reinforcement"}}, "method.reinforcement.grader.type"),
        ({"method": reinforcement(EXACT)}, "method.reinforcement.grader.input"),
        (
            {"method": reinforcement({"type": "python", "name": "p", "source": "def grade(sample, item): return 1"})},
            "method.reinforcement.grader.type",
        ),
        ({"method": reinforcement(eval_interval=0)}, "method.reinforcement.hyperparameters.eval_interval"),
        ({"method": reinforcement(reasoning_effort="huge")}, "method.reinforcement.hyperparameters.reasoning_effort"),
    ],
    ids=str,
)
def test_a_method_that_does_not_fit_is_refused_by_name(project: Project, body: dict[str, Any], param: str) -> None:
    file = project.upload(items())
    answer = project.http.post(
        "/fine_tuning/jobs", json={"model": "o4-mini", "training_file": file, "validation_file": file, **body}
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
