"""The program itself: starting, stopping, and where it listens."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.emulator.world import ROOT, Emulator, planets
from tests.until import until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_and_stops_within_a_second(number: signal.Signals) -> None:
    with Emulator() as world:
        fault = world.tell("/faults", kind="hold", path="/v1/models")
        held = threading.Thread(target=lambda: httpx2.get(f"{world.url}/v1/models"))
        held.start()
        until(lambda: world.ask("/faults")["held"] == 1, what=f"{fault['id']} to hold")
        began = time.monotonic()
        world.process.send_signal(number)
        assert world.process.wait(timeout=5) == 0
        assert time.monotonic() - began < 2
        held.join(timeout=5)
        assert not held.is_alive()


def test_effects_are_appended_to_the_log_file(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"effect": "from an earlier run"}\n')
    with Emulator("--log", str(log), "--key", "sk-a=b=proj_x", "--org", "umbrella") as world:
        with httpx2.Client(base_url=f"{world.url}/v1", headers={"Authorization": "Bearer sk-a=b"}) as client:
            file = client.post("/files", files={"file": ("t.jsonl", planets())}, data={"purpose": "fine-tune"}).json()
            job = client.post("/fine_tuning/jobs", json={"model": "gpt-4.1", "training_file": file["id"]}).json()
        entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["effect"] for entry in entries] == ["from an earlier run", "file.created", "job.created"]
    assert (entries[2]["id"], entries[2]["project"], job["organization_id"]) == (job["id"], "proj_x", "org-umbrella")


def test_it_listens_on_a_unix_socket(tmp_path: Path) -> None:
    socket, port_file = tmp_path / "emulator.sock", tmp_path / "port"
    command = [sys.executable, "-m", "emulator", "--uds", str(socket), "--port-file", str(port_file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        until(port_file.exists)
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)), base_url="http://emulator") as client:
            assert client.get("/v1/models", headers={"Authorization": "Bearer sk-emulator"}).status_code == 200
        process.terminate()
    assert process.returncode == 0


def test_a_malformed_key_is_refused() -> None:
    command = [sys.executable, "-m", "emulator", "--port", "0", "--key", "sk-without-project"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "is not of the form" in refused.stderr
