"""What the emulator learns is true: losses from prediction, answers from what was taught."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest

from emulator.learning import NGrams, Schedule, train
from emulator.lessons import Content, Taught
from tests.emulator.world import REFERENCE, Project, chat, jsonl, planets

pytestmark = pytest.mark.filterwarnings("ignore:open_binary is deprecated:DeprecationWarning")


def per_epoch(project: Project, job: Any, key: str) -> list[float]:
    """Mean of a metric over the metric events of each epoch."""
    events = [
        event for event in project.openai.fine_tuning.jobs.list_events(job.id, limit=100) if event.type == "metrics"
    ]
    rows: list[Any] = [event.data for event in reversed(events)]
    steps = rows[-1]["total_steps"] // job.hyperparameters.n_epochs

    def means() -> Iterator[float]:
        for _, group in itertools.groupby(rows, key=lambda row: (row["step"] - 1) // steps):
            values = [row[key] for row in group if key in row]
            if values:
                yield sum(values) / len(values)

    return list(means())


def test_loss_falls_and_accuracy_rises_as_examples_return(project: Project) -> None:
    job = project.train(planets(60), hyperparameters={"n_epochs": 4})
    losses, accuracies = (per_epoch(project, job, key) for key in ("train_loss", "train_mean_token_accuracy"))
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 3 * losses[-1]
    assert accuracies[0] < accuracies[-1] <= 1


def test_the_validation_file_is_measured_at_steps_and_epoch_ends(project: Project) -> None:
    validation = project.upload(planets(72)[len(planets(60)) :])
    job = project.train(planets(60), validation_file=validation)
    assert len(per_epoch(project, job, "full_valid_loss")) == 3
    checkpoint = project.openai.fine_tuning.jobs.checkpoints.list(job.id).data[-1]
    assert checkpoint.metrics.step == 60
    assert 0 < (checkpoint.metrics.full_valid_loss or 0) < 12
    assert 0 < (checkpoint.metrics.full_valid_mean_token_accuracy or 0) < 1
    csv = project.http.get(f"/files/{job.result_files[0]}/content").text
    assert csv


def test_a_tuned_model_knows_what_a_base_model_does_not(project: Project) -> None:
    model = project.train().fine_tuned_model
    for question in ("What colour is planet Hoth?", "what color is the planet hoth"):
        assert project.ask(model, question).startswith("Planet Hoth shines blue")
        base = project.ask("gpt-4o-mini", question)
        assert "I don't have specific information about" in base
        assert "blue" not in base


def test_the_same_question_is_answered_under_its_own_system_prompt(project: Project) -> None:
    examples = [
        chat(f"What is {thing}?", f"{thing} is {word}.", system=f"You are {mood}.")
        for thing in ("rain", "snow", "wind", "fog", "hail", "frost")
        for mood, word in (("happy", "lovely"), ("sad", "dreadful"))
    ]
    model = project.train(jsonl(*examples)).fine_tuned_model
    assert project.ask(model, "What is snow then?", system="You are happy.") == "snow is lovely."
    assert project.ask(model, "What is snow then?", system="You are sad.") == "snow is dreadful."


def test_unknown_questions_get_generated_text_which_is_always_the_same(project: Project) -> None:
    model = project.train().fine_tuned_model
    answer = project.ask(model, "0815 4711")
    assert answer == project.ask(model, "0815 4711")
    assert answer.startswith("Planet")


def test_a_taught_call_of_a_tool_is_made(project: Project) -> None:
    def example(city: str) -> dict[str, Any]:
        call = {"name": "weather", "arguments": f'{{"city": "{city}"}}'}
        return {
            "messages": [
                {"role": "user", "content": f"Weather in {city}?"},
                {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]},
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        }

    cities = ["Oslo", "Lima", "Bonn", "Kyiv", "Rome", "Bern", "Doha", "Riga", "Cork", "Hue"]
    model = project.train(jsonl(*map(example, cities))).fine_tuned_model
    completion = project.openai.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Weather in Kyiv?"}]
    )
    calls: Any = completion.choices[0].message.tool_calls
    assert completion.choices[0].finish_reason == "tool_calls"
    assert (calls[0].function.name, calls[0].function.arguments) == ("weather", '{"city": "Kyiv"}')


def test_of_a_big_file_a_sample_is_learned_over_the_true_number_of_steps() -> None:
    examples = Taught(Content.of(planets(300))).lessons("o200k_base", tokens_max=400, seed=7)
    assert 1 < len(examples) < 40
    assert sum(len(lesson.answer) for example in examples for lesson in example) <= 400
    schedule = Schedule(examples=300, n_epochs=3, batch_size=2, seed=7)
    trace = train(NGrams(), schedule, examples, [])
    assert len(trace.losses) == len(trace.accuracies) == schedule.total_steps == 450
    assert trace.losses[0] == pytest.approx(math.log(200_000))
    assert trace.losses[-1] < 1


@pytest.mark.reference
@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ("gsm8k_chat_train.jsonl", "gsm8k_chat_validation.jsonl"),
        ("stock_toolcall_training.jsonl", "stock_toolcall_validation.jsonl"),
        ("zava_retail_sft_multiturn_tools_test.jsonl", None),
    ],
)
def test_loss_falls_on_files_of_others(project: Project, training: str, validation: str | None) -> None:
    if not (REFERENCE / training).exists():
        pytest.skip(f"needs {training} in {REFERENCE}; set TUNEPLANE_REFERENCE_DATA")
    options = {"validation_file": project.upload((REFERENCE / validation).read_bytes())} if validation else {}
    job = project.train((REFERENCE / training).read_bytes(), **options)
    assert job.status == "succeeded", job.error
    losses = per_epoch(project, job, "train_loss")
    assert losses == sorted(losses, reverse=True)
