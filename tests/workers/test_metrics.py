"""What Prometheus is told, by a real dispatcher and a real API on ports of their own."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.cli.local import LocalStack, free_port
from service.kit import circuit
from service.kit.ids import new_id
from tests.conftest import Launch
from tests.stack import Platform, conversations
from tests.until import until

Samples = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def observed(launch: Launch) -> Iterator[tuple[LocalStack, int, int]]:
    """A platform without a worker, so that work stays due, and the ports of its API and its dispatcher."""
    api, dispatcher = free_port(), free_port()
    with ExitStack() as cleanup:
        stack = launch(cleanup)
        for name, port in (("api", api), ("dispatcher", dispatcher)):
            stack.environment["TUNEPLANE_METRICS_PORT"] = str(port)
            stack.start_api() if name == "api" else stack.start_dispatcher()
        yield stack, api, dispatcher


def ask(port: int) -> Samples:
    """Each sample by its name and its first label's value."""
    try:
        text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx2.TransportError:
        return {}
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_work_that_nobody_does_is_seen_to_wait(observed: tuple[LocalStack, int, int]) -> None:
    stack, _, dispatcher = observed
    team = Platform(stack).team()
    posted = team.member.post(
        "/v1/datasets?filename=a.jsonl", content=conversations(), headers={"Content-Type": "application/jsonl"}
    )
    assert posted.status_code == 202
    seen = ("finetune_due", "datasets.validate")
    until(lambda: ask(dispatcher).get(seen) == 1, within=30, what="the dataset to be seen due")
    told = ask(dispatcher)
    assert told["finetune_due_oldest_seconds", "datasets.validate"] > 0
    assert told["finetune_attention", "datasets.validate"] == 0
    assert told["finetune_database_up", ""] == 1
    assert told["finetune_account_circuits_open", "create"] == 0
    circuit.open(f"{new_id()}:create", "the key is revoked", 300)
    assert ask(dispatcher)["finetune_account_circuits_open", "create"] == 1


def test_requests_are_counted_by_route_never_by_id(observed: tuple[LocalStack, int, int]) -> None:
    stack, api, _ = observed
    team = Platform(stack).team()
    team.member.get("/v1/jobs/job_01m7w6kt9eepp87nc93bk07v4n")
    text = httpx2.get(f"http://127.0.0.1:{api}/metrics").text
    assert 'route="/v1/jobs/{job}",status="404"' in text
    assert "job_01m7" not in text
    assert "finetune_build_info" in text
