"""Faulty lines of a chat file: what an example may not be."""

import json
from base64 import b64encode
from typing import Any

from service.datasets.rules.problems import DEPTH_MAX, IMAGE_BYTES_MAX, LINE_BYTES_MAX
from tests.datasets.chat import good_talk, line
from tests.datasets.corpus.faults import (
    Fault,
    also,
    call,
    errand,
    fault,
    function,
    image,
    message,
    shown,
    talk,
    tool,
    without,
)  # fmt: skip

CALL = "/messages/2/tool_calls/0"
URL = "/messages/1/content/1/image_url/url"


def as_data(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


def png(colours: int) -> bytes:
    """The beginning of one: signature, then the header's length, name, width, height, depth and colour type."""
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(8) + bytes([8, colours]) + bytes(40)


JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
LONG = 6_000  # tokens and more


def written(example: dict[str, Any]) -> bytes:
    return line(example)


UNREADABLE: list[Fault] = [
    fault(written(good_talk(9001))[:-2], ("", "invalid_json")),
    fault(written(good_talk(9002)) + b" trailing", ("", "invalid_json")),
    fault(written(good_talk(9003)).replace(b'"messages"', b"'messages'"), ("", "invalid_json")),
    fault(written(good_talk(9004))[:-1] + b",}", ("", "invalid_json")),
    fault(b'{"messages": NaN}', ("", "invalid_json")),
    fault(b'{"messages": [Infinity]}', ("", "invalid_json")),
    fault(b'{"messages": ' + b"9" * 5000 + b"}", ("", "invalid_json")),
    fault(b"not JSON", ("", "invalid_json")),
    fault(written(good_talk(9005)).replace(b"light", b"l\xefght"), ("", "invalid_utf8")),
    fault(written(good_talk(9006)).replace(b"light", b"l\xed\xa0\x80ght"), ("", "invalid_utf8")),
    fault(b"\xef\xbb\xbf" + written(good_talk(9007)), ("", "byte_order_mark")),
    fault(written(good_talk(9008)).replace(b'"role"', b'"content": "x", "role"', 1), ("", "duplicate_key")),
    fault(written(good_talk(9009))[:-1] + b', "messages": []}', ("", "duplicate_key")),
    fault(b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ("", "nested_too_deep")),
    fault(b'{"messages": ' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}", ("", "nested_too_deep")),
    fault(b"[1, 2]", ("", "not_an_object")),
    fault(b'"hello"', ("", "not_an_object")),
    fault(b"null", ("", "not_an_object")),
    fault(b'{"messages": "' + b"a" * LINE_BYTES_MAX + b'"}', ("", "line_too_long")),
    fault(b"", ("", "empty_line")),
    fault(b" \t\r", ("", "empty_line")),
    fault(written(good_talk(9010)).replace(b"lamp", b"\\ud83dlamp"), ("", "lone_surrogate")),
]
EXAMPLES: list[Fault] = [
    fault(line({"prompt": "Hi ->", "completion": " Hello"}), ("", "other_format")),
    fault(line({"input": {"messages": []}, "preferred_output": [], "non_preferred_output": []}), ("", "other_format")),
    fault(line({"question": "Why?", "answer": "Because."}), ("", "other_format")),
    fault(line({"headline": "Light", "body": "out"}), ("", "missing_messages")),
    talk(lambda e: e.update(messages=None), ("", "missing_messages")),
    talk(lambda e: e.update(messages="hello"), ("/messages", "wrong_type")),
    talk(lambda e: e.update(messages=[]), ("/messages", "empty_messages")),
    talk(lambda e: e.update(source="wiki"), ("/source", "unknown_key")),
    talk(lambda e: e.update(parallel_tool_calls="yes"), ("/parallel_tool_calls", "wrong_type")),
    talk(lambda e: e["messages"].pop(), ("/messages", "no_assistant_message")),
    talk(lambda e: e["messages"].append(e["messages"][1]), ("/messages/3", "last_message_not_assistant")),
    talk(message(2, weight=0), ("/messages", "nothing_to_learn")),
    talk(message(2, content="seven " * LONG), ("", "example_too_long")),
    errand(message(1, content="seven " * LONG), ("", "example_too_long")),
]
MESSAGES: list[Fault] = [
    talk(lambda e: e["messages"].__setitem__(1, "hello"), ("/messages/1", "wrong_type")),
    talk(without(1, "role"), ("/messages/1", "missing_key")),
    talk(message(1, role="observer"), ("/messages/1/role", "unknown_role")),
    talk(message(1, role=7), ("/messages/1/role", "unknown_role")),
    talk(message(1, name=7), ("/messages/1/name", "wrong_type")),
    talk(message(1, name="the keeper"), ("/messages/1/name", "name_format")),
    talk(message(1, name="k" * 65), ("/messages/1/name", "name_format")),
    talk(message(1, role="function"), ("/messages/1", "missing_key")),
    talk(message(1, weight=1), ("/messages/1/weight", "weight_not_assistant")),
    talk(message(2, weight=0.5), ("/messages/2/weight", "weight_not_0_or_1")),
    talk(message(2, weight=True), ("/messages/2/weight", "weight_not_0_or_1")),
    talk(message(2, weight="1"), ("/messages/2/weight", "weight_not_0_or_1")),
    talk(without(1, "content"), ("/messages/1", "missing_content")),
    talk(message(2, content=None), ("/messages/2", "missing_content")),
    talk(message(2, content=""), ("/messages/2/content", "empty_content")),
    talk(message(1, content=[]), ("/messages/1/content", "empty_content")),
    talk(message(1, content={"text": "hello"}), ("/messages/1/content", "wrong_type")),
    talk(message(1, content=7), ("/messages/1/content", "wrong_type")),
    talk(message(1, content=[{"type": "input_audio"}]), ("/messages/1/content/0", "unknown_part")),
    talk(message(1, content=["hello"]), ("/messages/1/content/0", "unknown_part")),
    talk(message(1, content=[{"type": "refusal", "refusal": "No."}]), ("/messages/1/content/0", "unknown_part")),
    talk(message(2, content=[{"type": "refusal", "refusal": 1}]), ("/messages/2/content/0/refusal", "wrong_type")),
    talk(message(1, content=[{"type": "text", "text": 1}]), ("/messages/1/content/0/text", "wrong_type")),
    talk(message(1, content=[{"type": "text", "text": "What?", "tone": 1}]),
         ("/messages/1/content/0/tone", "unknown_key")),
    talk(message(1, mood="calm"), ("/messages/1/mood", "unknown_key")),
    talk(message(1, **{"212-55-4321": 1}), ("/messages/1/?", "unknown_key")),
    talk(message(1, name="keeper\n"), ("/messages/1/name", "name_format")),
    talk(message(1, refusal="no"), ("/messages/1/refusal", "unknown_key")),
    talk(message(2, refusal=7), ("/messages/2/refusal", "wrong_type")),
]  # fmt: skip
IMAGES: list[Fault] = [
    talk(message(2, content=[image()]), ("/messages/2/content/0", "image_not_user")),
    talk(shown("C:\\a.png"), (URL, "image_url_invalid")),
    talk(shown("ftp://example.com/a.png"), (URL, "image_url_invalid")),
    talk(shown("data:image/png;base64,%%%"), (URL, "image_format")),
    talk(shown("data:image/png,raw"), (URL, "image_format")),
    talk(shown(as_data("gif", b"GIF89a" + bytes(60))), (URL, "image_format")),
    talk(shown(as_data("png", png(0))), (URL, "image_not_rgb")),
    talk(shown(as_data("png", png(3))), (URL, "image_not_rgb")),
    talk(shown(as_data("jpeg", JPEG + bytes(IMAGE_BYTES_MAX))), (URL, "image_too_large")),
    talk(message(1, content=[image(detail="medium")]), ("/messages/1/content/0/image_url/detail", "wrong_type")),
    talk(message(1, content=[{"type": "image_url", "image_url": "a.png"}]),
         ("/messages/1/content/0/image_url", "wrong_type")),
    talk(message(1, content=[image(url=f"https://example.com/{n}.png") for n in range(11)]),
         ("/messages", "too_many_images")),
]  # fmt: skip
TOOLS: list[Fault] = [
    errand(lambda e: e.update(tools={"type": "function"}), ("/tools", "wrong_type"),
           (f"{CALL}/function/name", "undeclared_tool")),
    errand(also("weather"), ("/tools/1", "wrong_type")),
    errand(also({"type": "function"}), ("/tools/1/function", "wrong_type")),
    errand(also({"type": "function", "function": {"name": "look out!"}}),
           ("/tools/1/function/name", "function_name_format")),
    errand(also({"type": "function", "function": {"name": "a" * 65}}),
           ("/tools/1/function/name", "function_name_format")),
    errand(lambda e: e["tools"].extend([e["tools"][0]] * 128), ("/tools", "too_many_functions")),
    errand(tool(type="retrieval"), ("/tools/0/type", "not_a_function")),
    errand(tool(function={"name": "weather", "parameters": "{}"}), ("/tools/0/function/parameters", "wrong_type")),
    errand(tool(function={"name": "weather", "description": 1}), ("/tools/0/function/description", "wrong_type")),
    talk(lambda e: e.update(functions="weather"), ("/functions", "wrong_type")),
    talk(lambda e: e.update(functions=[]), ("/functions", "too_many_functions")),
    talk(lambda e: e.update(functions=[{"description": "no name"}]), ("/functions/0", "missing_key")),
    errand(message(2, tool_calls={}), (f"{CALL[:-2]}", "wrong_type"), ("/messages/2", "missing_content"),
           ("/messages/3/tool_call_id", "tool_answers_no_call")),
    errand(message(2, tool_calls=["weather"]), (CALL, "wrong_type"),
           ("/messages/3/tool_call_id", "tool_answers_no_call")),
    errand(function(name=""), (f"{CALL}/function", "missing_key")),
    errand(call(type="code"), (f"{CALL}/type", "not_a_function")),
    errand(call(id=""), (CALL, "missing_key"), ("/messages/3/tool_call_id", "tool_answers_no_call")),
    errand(function(arguments=None), (f"{CALL}/function", "missing_key")),
    errand(function(arguments={"place": "Brest"}), (f"{CALL}/function/arguments", "wrong_type")),
    errand(function(arguments="{place: Brest}"), (f"{CALL}/function/arguments", "arguments_not_json")),
    errand(function(arguments='{"place": NaN}'), (f"{CALL}/function/arguments", "arguments_not_json")),
    errand(function(arguments="[" * 100_000), (f"{CALL}/function/arguments", "arguments_not_json")),
    errand(function(arguments=json.dumps('{"place": "Brest"}')),
           (f"{CALL}/function/arguments", "arguments_double_encoded")),
    errand(function(arguments="[1]"), (f"{CALL}/function/arguments", "arguments_not_an_object")),
    errand(function(name="tide"), (f"{CALL}/function/name", "undeclared_tool")),
    errand(lambda e: e.pop("tools"), (f"{CALL}/function/name", "undeclared_tool")),
    errand(without(3, "tool_call_id"), ("/messages/3", "missing_key"), (CALL, "tool_call_unanswered")),
    errand(message(3, tool_call_id="c9"), ("/messages/3/tool_call_id", "tool_answers_no_call"),
           (CALL, "tool_call_unanswered")),
    errand(lambda e: e["messages"].pop(3), (CALL, "tool_call_unanswered")),
]  # fmt: skip
FAULTS = [*UNREADABLE, *EXAMPLES, *MESSAGES, *IMAGES, *TOOLS]
