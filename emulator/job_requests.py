"""Reading the body of POST /fine_tuning/jobs (§1.6): every refusal names the parameter."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from emulator import methods
from emulator.errors import invalid
from emulator.jobs import JobRequest

SEED_MAX = 2_147_483_647
SUFFIX_CHARACTERS_MAX = 64
INTEGRATIONS_MAX = 5


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object; raises a 400."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise invalid("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise invalid("The body of your request must be a JSON object.")
    return body


def parse(body: dict[str, Any]) -> JobRequest:
    """The checked request; raises a 400 for the first parameter that is wrong."""
    for required in ("model", "training_file"):
        if not isinstance(body.get(required), str):
            raise invalid(
                f"Missing required parameter: '{required}'.", param=required, code="missing_required_parameter"
            )
    suffix, seed = body.get("suffix"), body.get("seed")
    if suffix is not None and not (isinstance(suffix, str) and 1 <= len(suffix) <= SUFFIX_CHARACTERS_MAX):
        raise invalid(f"'suffix' must be a string of 1 to {SUFFIX_CHARACTERS_MAX} characters.", param="suffix")
    if seed is not None and not (_is_integer(seed) and 0 <= seed <= SEED_MAX):
        raise invalid(f"'seed' must be an integer from 0 to {SEED_MAX}.", param="seed")
    if not isinstance(body.get("validation_file"), str | None):
        raise invalid("'validation_file' must be the id of a file.", param="validation_file")
    return JobRequest(
        model=body["model"],
        training_file=body["training_file"],
        validation_file=body.get("validation_file"),
        suffix=suffix,
        seed=seed,
        metadata=_metadata(body.get("metadata")),
        integrations=_integrations(body.get("integrations")),
        method=methods.parse(body),
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _metadata(metadata: Any) -> dict[str, str] | None:
    """Up to 16 pairs of strings, keys up to 64 characters, values up to 512 (§1.2)."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise invalid("'metadata' must be an object with at most 16 properties.", param="metadata")
    for key, value in metadata.items():
        if len(key) > 64 or not isinstance(value, str) or len(value) > 512:
            message = f"Invalid 'metadata.{key}': keys have at most 64 characters, values are strings of at most 512."
            raise invalid(message, param="metadata")
    return metadata


def _integrations(integrations: Any) -> list[dict[str, Any]]:
    """Weights & Biases only; accepted and echoed, nothing is sent there."""
    if integrations is None:
        return []
    if (
        not isinstance(integrations, list)
        or len(integrations) > INTEGRATIONS_MAX
        or not all(map(_is_wandb, integrations))
    ):
        message = f"'integrations' must be a list of at most {INTEGRATIONS_MAX} of type 'wandb', each with a project."
        raise invalid(message, param="integrations")
    return integrations


def _is_wandb(one: Any) -> bool:
    about = one.get("wandb") if isinstance(one, dict) and one.get("type") == "wandb" else None
    return isinstance(about, dict) and isinstance(about.get("project"), str)
