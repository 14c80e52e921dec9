"""Worlds described in files: loaded whole, or refused by line and field."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import openai
import pytest

from emulator.scenario import BadScenario, parse
from tests.emulator.world import ROOT, Emulator, Project, chat, jsonl, planets

EXAMPLE = ROOT / "examples" / "emulator-scenario.yaml"


def test_the_example_is_a_world_that_behaves_as_it_says() -> None:
    with Emulator("--scenario", str(EXAMPLE)) as world:
        assert world.ask("/settings")["winds_down_at"] == 1_799_193_600
        assert [one["kind"] for one in world.ask("/fates")["fates"]] == ["blocked", "stuck", "fails"]
        project = Project(world, "proj_a", "sk-team-a")
        for _ in range(2):
            with pytest.raises(openai.RateLimitError):
                project.upload(planets())
        file = project.upload(planets() + jsonl(chat("Where is the forbidden planet?", "Here.")))
        with pytest.raises(openai.APIConnectionError):
            project.openai.fine_tuning.jobs.create(model="gpt-4o", training_file=file)
        world.tell("/settings", list_lag_seconds=0)
        job = project.openai.fine_tuning.jobs.list().data[0].id
        world.advance(10)
        assert project.openai.fine_tuning.jobs.retrieve(job).status == "failed"
        (webhook,) = world.ask("/webhooks")["webhooks"]
        assert [one["job"] for one in webhook["deliveries"]] == [job, job]
        project.close()


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    scenario = tmp_path / "world.yaml"
    scenario.write_text("speed: 500\norg: globex\n")
    with Emulator("--scenario", str(scenario)) as world:  # which gives --speed 0
        assert world.ask("/clock")["speed"] == 0
        project = world.new_project()
        assert project.http.get("/models").headers["openai-organization"] == "globex"
        project.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start: yesterday", "w.yaml:1: start: must be a day or an instant"),
        ("speed: fast", "w.yaml:1: speed: must be a number, 0 or above"),
        (
            "speed: 1\nweather: bad",
            "w.yaml:2: weather: unknown section; there are: speed, start, org, keys",
        ),
        ("keys:\n  sk-a: 7", "w.yaml:2: keys.sk-a: must be a key and the project it belongs to"),
        (
            "settings:\n  # why\n  list_lag_seconds: -1",
            "w.yaml:3: settings.list_lag_seconds: 'list_lag_seconds' cannot",
        ),
        ("settings: {winds_down_at: soon}", "w.yaml:1: settings.winds_down_at: 'winds_down_at' cannot be 'soon'."),
        ("faults:\n  - kind: drop\n  - kind: drip", "w.yaml:3: faults[1].kind: 'kind' must be one of"),
        ("faults:\n  - kind: drop\n    path: '['", "w.yaml:3: faults[0].path: 'path' is not a regular expression"),
        ("faults: {kind: drop}", "w.yaml:1: faults: must be a list"),
        ("usage:\n  - model: llama", "w.yaml:2: usage[0].model: There is no price for 'llama'."),
        ("discrepancies:\n  - kind: rust", "w.yaml:2: discrepancies[0].kind: 'kind' must be one of drift, quantity"),
        ("fates:\n  - stuck", "w.yaml:2: fates[0]: must be an object"),
        ("fates:\n  - contains: x", "w.yaml:2: fates[0].kind: 'kind' must be given."),
        ("webhooks:\n  - url: http://x\n    copies: 0", "w.yaml:3: webhooks[0].copies: 'copies' cannot be 0."),
        ("- speed: 1", "w.yaml:1: the file: must be an object of sections"),
        ("org: acme\nkeys: [", "w.yaml:2: not YAML"),
        ("org: !!python/object:os.system {}", "w.yaml:1: not YAML: could not determine a constructor"),
    ],
    ids=lambda value: value[:30],
)
def test_a_wrong_file_is_refused_by_line_and_field(text: str, message: str) -> None:
    with pytest.raises(BadScenario) as refused:
        parse(text, "w.yaml")
    assert message in str(refused.value)


def test_an_empty_file_is_the_usual_world() -> None:
    assert parse("# nothing yet\n", "w.yaml").speed is None


def test_the_command_refuses_a_wrong_file_at_once(tmp_path: Path) -> None:
    scenario = tmp_path / "world.yaml"
    scenario.write_text("speed: fast\n")
    command = [sys.executable, "-m", "emulator", "--port", "0", "--scenario"]
    for path, told in ((scenario, "world.yaml:1: speed: must be"), (tmp_path / "nowhere.yaml", "No such file")):
        done = subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr


@pytest.mark.parametrize("given", ["2026-10-01", "2026-10-01T00:00:00Z", "2026-10-01 02:00:00+02:00"])
def test_a_world_may_begin_in_another_month(given: str, tmp_path: Path) -> None:
    scenario = tmp_path / "october.yaml"
    scenario.write_text(f"start: {given}\n")
    begins = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
    for options in (("--scenario", str(scenario)), ("--start", given)):
        with Emulator(*options) as world:
            assert world.ask("/clock")["now"] == begins
            world.advance(60)
            assert world.ask("/clock")["now"] == begins + 60
