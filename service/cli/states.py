"""The states of a job as a page: a diagram and a table, drawn from the very table that decides."""

from typing import Final

from service.jobs import ARROWS, State

_MEANINGS: Final[dict[State, str]] = {
    State.WAITING_FOR_DATASET: "its dataset is not ready yet; nothing is held from the budget",
    State.AWAITING_APPROVAL: "its price is held, and a second person has to say yes; no file has left yet",
    State.QUEUED: "taken, its price held from the budget; waits for its turn",
    State.UPLOADING: "the training file is on its way to the provider",
    State.SUBMITTING: "being created at the provider, or being looked for there (protocol.md)",
    State.VALIDATING_FILES: "the provider checks the files",
    State.PROVIDER_QUEUED: "waits for a place at the provider",
    State.RUNNING: "trains",
    State.PAUSED: "stands still at the provider until it is resumed",
    State.CANCELLING: "its end was asked for; the outcome is what the provider says",
    State.SUCCEEDED: "charged, and its model registered if that was asked for",
    State.FAILED: "charged for what was trained, if anything; the provider's words are in `error`",
    State.CANCELLED: "charged for what was trained, if anything",
}


def render_states() -> str:
    """docs/states.md."""
    arrows = [f"    {one} --> {other}" for one in State for other in State if other in ARROWS[one]]
    ends = [f"    {state} --> [*]" for state in State if not ARROWS[state]]
    rows = [f"| `{state}` | {_MEANINGS[state]} | {_following(state)} |" for state in State]
    return "\n".join(
        [
            "# States of a job",
            "",
            "Generated from `ARROWS` in service/jobs/rules.py by `make openapi`. The last three are final.",
            "",
            "```mermaid",
            "stateDiagram-v2",
            *(f"    [*] --> {first}" for first in (State.WAITING_FOR_DATASET, State.AWAITING_APPROVAL, State.QUEUED)),
            *arrows,
            *ends,
            "```",
            "",
            "| state | the job | may become |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _following(state: State) -> str:
    return ", ".join(f"`{other}`" for other in State if other in ARROWS[state]) or "nothing: it has ended"
