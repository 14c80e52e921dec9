"""Running a real emulator for tests, and data to feed it."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
from openai import DefaultHttpxClient, OpenAI

from tests.until import until

ROOT = Path(__file__).parents[2]
REFERENCE = Path(os.environ.get("TUNEPLANE_REFERENCE_DATA", ROOT.parent / "shared" / "data"))
PLANETS = ["Arda", "Bele", "Corun", "Delt", "Echo", "Fern", "Gond", "Hoth", "Iris", "Jura", "Kilo", "Lima"]
COLOURS = ("red", "blue", "green")


class Emulator:
    """A process of its own on a free port, its clock frozen unless told otherwise: time passes by `advance` alone."""

    def __init__(self, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._port_file = Path(self._folder.name) / "port"
        command = [sys.executable, "-m", "emulator", "--port", "0", "--port-file", str(self._port_file), "--speed", "0"]
        self.process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(self._port_file.exists, what="the emulator's port file")
        self.url = f"http://127.0.0.1:{int(self._port_file.read_text())}"
        self.control = httpx2.Client(base_url=f"{self.url}/_emulator", verify=False)
        self._settings = self.ask("/settings")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.control.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=10)
        self._folder.cleanup()

    def tell(self, path: str, /, **body: Any) -> dict[str, Any]:
        """POST to the control API."""
        answer = self.control.post(path, json=body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def ask(self, path: str) -> dict[str, Any]:
        """GET from the control API."""
        asked: dict[str, Any] = self.control.get(path).json()
        return asked

    def advance(self, seconds: float) -> None:
        self.tell("/clock", advance_seconds=seconds)

    def reset(self) -> None:
        """Faults, fates, discrepancies and settings as at the start; what projects hold stays."""
        for scripted in ("/faults", "/fates", "/discrepancies"):
            self.control.delete(scripted)
        self.tell("/settings", **self._settings)

    def new_project(self) -> "Project":
        """A key of a new project, which sees nothing of the others."""
        key = f"sk-{secrets.token_hex(8)}"
        project = f"proj_{secrets.token_hex(6)}"
        key_id = self.tell("/keys", key=key, project=project)["id"]
        return Project(self, project, key, key_id)


class Project:
    """A project and the unmodified SDK talking to it, without the SDK's own retries."""

    def __init__(self, emulator: Emulator, name: str, key: str, key_id: str = "") -> None:
        self.emulator = emulator
        self.name = name
        self.key = key
        self.key_id = key_id
        # Plain HTTP needs no certificates, and loading them for each test would take longer than the tests themselves.
        self.openai = OpenAI(
            api_key=key, base_url=f"{emulator.url}/v1", max_retries=0, http_client=DefaultHttpxClient(verify=False)
        )
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx2.Client(base_url=f"{emulator.url}/v1", headers=headers, timeout=20, verify=False)

    def close(self) -> None:
        self.openai.close()
        self.http.close()

    def upload(self, data: bytes, name: str = "train.jsonl") -> str:
        return self.openai.files.create(file=(name, data), purpose="fine-tune").id

    def submit(self, data: bytes | None = None, **options: Any) -> str:
        """A job on a new file; its id."""
        file = self.upload(planets() if data is None else data)
        return self.openai.fine_tuning.jobs.create(
            **{"model": "gpt-4o-mini-2024-07-18", "training_file": file, **options}
        ).id

    def train(self, data: bytes | None = None, **options: Any) -> Any:
        """A job run to its end; the job. On a busy machine the study of a big file takes longer than a read waits."""
        job = self.submit(data, **options)
        self.emulator.advance(700)

        def ended() -> Any:
            found = self.openai.fine_tuning.jobs.retrieve(job)
            return None if found.status == "validating_files" else found

        return until(ended, within=30)

    def ask(self, model: str, question: str, system: str | None = None) -> str:
        messages: list[Any] = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": question})
        answer = self.openai.chat.completions.create(model=model, messages=messages).choices[0].message.content
        assert answer is not None
        return answer

    def truth(self, job: str) -> dict[str, Any]:
        """The job as the emulator's log has it."""
        return next(known for known in self.emulator.ask("/log")["jobs"] if known["id"] == job)

    def effects(self) -> list[str]:
        """What happened in this project, in order."""
        return [entry["effect"] for entry in self.emulator.ask("/log")["effects"] if entry["project"] == self.name]


def jsonl(*examples: Any) -> bytes:
    return b"".join(json.dumps(example).encode() + b"\n" for example in examples)


def chat(user: str, assistant: str, system: str | None = None) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}] if system else []
    return {
        "messages": [*messages, {"role": "user", "content": user}, {"role": "assistant", "content": assistant}],
    }


def planet_answer(index: int) -> str:
    name = PLANETS[index % len(PLANETS)]
    return f"Planet {name} shines {COLOURS[index % 3]}, as every pilot has known since {1900 + index}."


def planets(count: int = 12) -> bytes:
    """Questions no base model could answer."""
    names = [f"{PLANETS[index % len(PLANETS)]}{index // len(PLANETS) or ''}" for index in range(count)]
    return jsonl(*(chat(f"What colour is planet {name}?", planet_answer(index)) for index, name in enumerate(names)))
