"""POST /v1/chat/completions: as much of it as an evaluation needs. Sampling parameters are accepted and ignored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from emulator import catalog, ids, tokens
from emulator.answers import base_answer
from emulator.errors import ApiError, Json, invalid, model_not_found
from emulator.job_requests import read_json
from emulator.metering import Use
from emulator.state import World, world_of
from emulator.validation import Malformed, check_messages, check_tools


async def create(request: Request) -> Response:
    world, body = world_of(request), await read_json(request)
    world.publish_finished()
    name = body.get("model")
    if not isinstance(name, str):
        raise invalid("you must provide a model parameter")
    try:
        check_messages(body.get("messages"))
        check_tools(body.get("tools"))
    except Malformed as malformed:
        raise invalid(f"Invalid request: {malformed}", param="messages") from None
    _check_options(body)
    base, answer = await _answer(world, request.state.project, name, body["messages"])
    encoding = tokens.encoding_of(base.id)
    message, finish_reason = _limited(_message(answer), body, encoding)
    completion = _completion(world, base, name, message, finish_reason)
    completion["usage"] = usage = _usage(body, message, encoding)
    world.meter.count(
        Use(
            model=completion["model"],
            at=world.clock.now(),
            project=request.state.project,
            api_key=request.state.api_key,
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
        )
    )
    if body.get("stream"):
        return StreamingResponse(_chunks(completion, body), media_type="text/event-stream")
    return Json(completion)


def _check_options(body: dict[str, Any]) -> None:
    """Those that are not ignored; raises a 400."""
    for name, right in _OPTIONS.items():
        if body.get(name) is not None and not right(body[name]):
            raise invalid(f"Invalid value for '{name}'.", param=name, code="invalid_value")


def _is_limit(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_stops(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


_OPTIONS: dict[str, Callable[[Any], bool]] = {
    "max_completion_tokens": _is_limit,
    "max_tokens": _is_limit,
    "stop": _are_stops,
    "stream_options": lambda value: isinstance(value, dict),
}


async def _answer(
    world: World, project: str, name: str, messages: list[dict[str, Any]]
) -> tuple[catalog.BaseModel, dict[str, Any]]:
    """The base model behind `name` and what the model says; a new model may still be loading (§6), or be blocked."""
    base = catalog.resolve(name)
    if base:
        return base, {"content": base_answer(messages)}
    model = world.model(project, name)
    if model is None:
        raise model_not_found(name)
    if world.clock.now() < model.created_at + world.settings.model_ready_delay_seconds:
        if world.settings.model_loading_status == 404:
            raise model_not_found(name)
        raise ApiError(429, f"The model `{name}` is still being loaded.", code="rate_limit_exceeded", kind="requests")
    if model.blocked:
        message = f"The model `{name}` did not pass our safety checks and cannot be used."
        raise ApiError(403, message, param="model", code="model_blocked")
    return model.base, (await world.pupils.of(model)).answer(messages)


def _message(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer as an assistant message of a completion; calls get ids of their own."""
    calls = [
        {"id": ids.fresh("call_"), "type": "function", "function": {"name": name, "arguments": arguments}}
        for name, arguments in tokens.calls_of(answer)
    ]
    content = None if calls and not answer.get("content") else tokens.text_of({"content": answer.get("content")})
    message = {"role": "assistant", "content": content, "refusal": None}
    return {**message, "tool_calls": calls} if calls else message


def _limited(message: dict[str, Any], body: dict[str, Any], encoding: str) -> tuple[dict[str, Any], str]:
    """The message cut at a stop string and at the token limit asked for, and why it ends."""
    if "tool_calls" in message:
        return message, "tool_calls"
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        message["content"] = message["content"].partition(stop or "\0")[0]
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    said = tokens.encode(message["content"], encoding)
    if most and len(said) > most:
        return {**message, "content": tokens.decode(said[:most], encoding)}, "length"
    return message, "stop"


def _completion(
    world: World, base: catalog.BaseModel, name: str, message: dict[str, Any], finish_reason: str
) -> dict[str, Any]:
    return {
        "id": ids.fresh("chatcmpl-", 29),
        "object": "chat.completion",
        "created": int(world.clock.now()),
        "model": name if name.startswith("ft:") else base.id,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "system_fingerprint": "fp_emulator",
    }


def _usage(body: dict[str, Any], message: dict[str, Any], encoding: str) -> dict[str, int]:
    """Prompt tokens by the same count as training tokens; completion tokens are those of the text and calls alone."""
    prompt = tokens.count_example({"messages": body["messages"], "tools": body.get("tools")}, encoding)
    said = tokens.count(message["content"] or "", encoding) + sum(
        tokens.count(part, encoding) for call in tokens.calls_of(message) for part in call
    )
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


def _chunks(completion: dict[str, Any], body: dict[str, Any]) -> Iterator[str]:
    """The completion as server-sent events: a chunk with all, one with the end, one with the usage if asked for."""
    choice, usage = completion["choices"][0], completion.pop("usage")
    shared = {**completion, "object": "chat.completion.chunk"}
    calls = [{**call, "index": index} for index, call in enumerate(choice["message"].get("tool_calls", []))]
    delta = {**choice["message"], "tool_calls": calls} if calls else choice["message"]
    for part, reason in ((delta, None), ({}, choice["finish_reason"])):
        yield _sse({**shared, "choices": [{"index": 0, "delta": part, "logprobs": None, "finish_reason": reason}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _sse({**shared, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _sse(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


routes = [Route("/chat/completions", create, methods=["POST"])]
