"""/v1/fine_tuning/alpha/graders (§1.8)."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import graders
from emulator.errors import Json, invalid
from emulator.job_requests import read_json


async def validate(request: Request) -> Response:
    """The grader as it came, if it is one: of every type, also those that are not run here."""
    body = await read_json(request)
    return Json({"grader": graders.check(body.get("grader"))})


async def run(request: Request) -> Response:
    body = await read_json(request)
    grader = graders.check(body.get("grader"))
    graders.check_runnable(grader)
    sample, item = body.get("model_sample"), body.get("item")
    if not isinstance(sample, str):
        raise invalid("'model_sample' must be a string.", param="model_sample")
    if not isinstance(item, dict | None):
        raise invalid("'item' must be an object.", param="item")
    began = time.perf_counter()
    grade = graders.run(grader, sample, item or {})
    metadata = {
        "name": grader["name"],
        "type": grader["type"],
        "errors": grade.errors_view(),
        "execution_time": time.perf_counter() - began,
        "scores": grade.parts or {grader["name"]: grade.reward},
        "token_usage": None,
        "sampled_model_name": None,
    }
    return Json(
        {
            "reward": grade.reward,
            "metadata": metadata,
            "sub_rewards": grade.parts,
            "model_grader_token_usage_per_model": {},
        }
    )


routes = [
    Route("/fine_tuning/alpha/graders/run", run, methods=["POST"]),
    Route("/fine_tuning/alpha/graders/validate", validate, methods=["POST"]),
]
