"""The rules about tools: what is declared, what is called, and which answer belongs to which call (openai.md §3.1).

`functions` and `function_call` are the form of 2023, still accepted. Findings are (pointer, code, facts).
"""

import re
from collections.abc import Iterator
from json import loads
from typing import Any, Final, NoReturn

from service.datasets.rules.problems import FUNCTIONS_MAX, label

Found = tuple[str, str, dict[str, Any]]
_FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def declared(example: dict[str, Any]) -> frozenset[str]:
    """Names of the functions an example offers."""
    functions = [tool.get("function") for tool in _objects(example.get("tools"))] + _objects(example.get("functions"))
    names = (function.get("name") for function in functions if isinstance(function, dict))
    return frozenset(name for name in names if isinstance(name, str))


def declaration_findings(example: dict[str, Any]) -> Iterator[Found]:
    """What is wrong with `tools` and `functions`."""
    offered = example.get("tools")
    if not isinstance(offered, list | None):
        yield "/tools", "wrong_type", {"what": "'tools'", "expected": "a list"}
    elif len(offered or ()) > FUNCTIONS_MAX:
        yield "/tools", "too_many_functions", {"functions": len(offered or ())}
    for index, tool in enumerate(offered if isinstance(offered, list) else []):
        yield from _typed_function(f"/tools/{index}", tool, what="A tool")
    functions = example.get("functions")
    if not isinstance(functions, list | None):
        yield "/functions", "wrong_type", {"what": "'functions'", "expected": "a list"}
    elif functions is not None and not 1 <= len(functions) <= FUNCTIONS_MAX:
        yield "/functions", "too_many_functions", {"functions": len(functions)}
    for index, function in enumerate(functions if isinstance(functions, list) else []):
        yield from _declaration(f"/functions/{index}", function)


def _typed_function(at: str, tool: Any, *, what: str) -> Iterator[Found]:
    if not isinstance(tool, dict):
        yield at, "wrong_type", {"what": what, "expected": "an object"}
        return
    if tool.get("type") != "function":
        yield f"{at}/type", "not_a_function", {}
    yield from _declaration(f"{at}/function", tool.get("function"))


def _declaration(at: str, function: Any) -> Iterator[Found]:
    if not isinstance(function, dict):
        yield at, "wrong_type", {"what": "'function'", "expected": "an object with a 'name'"}
        return
    yield from _function_name(at, function)
    if not isinstance(function.get("description"), str | None):
        yield f"{at}/description", "wrong_type", {"what": "'description'", "expected": "a string"}
    if not isinstance(function.get("parameters"), dict | None):
        yield f"{at}/parameters", "wrong_type", {"what": "'parameters'", "expected": "an object (JSON Schema)"}


def _function_name(at: str, function: dict[str, Any]) -> Iterator[Found]:
    name = function.get("name")
    if not isinstance(name, str) or not name:
        yield at, "missing_key", {"what": "The function's 'name'"}
    elif not _FUNCTION_NAME.fullmatch(name):
        yield f"{at}/name", "function_name_format", {}


def call_findings(at: str, message: dict[str, Any]) -> Iterator[Found]:
    """What is wrong with the calls of one message, each taken by itself."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list | None):
        yield f"{at}/tool_calls", "wrong_type", {"what": "'tool_calls'", "expected": "a list"}
    for index, call in enumerate(calls if isinstance(calls, list) else []):
        here = f"{at}/tool_calls/{index}"
        if not isinstance(call, dict):
            yield here, "wrong_type", {"what": "A tool call", "expected": "an object"}
            continue
        if not isinstance(call.get("id"), str) or not call["id"]:
            yield here, "missing_key", {"what": "The call's 'id'"}
        if call.get("type") != "function":
            yield f"{here}/type", "not_a_function", {}
        yield from _called(f"{here}/function", call.get("function"))
    if message.get("function_call") is not None:
        yield from _called(f"{at}/function_call", message["function_call"])


def _called(at: str, function: Any) -> Iterator[Found]:
    if not isinstance(function, dict):
        yield at, "wrong_type", {"what": "A call", "expected": "an object with 'name' and 'arguments'"}
        return
    yield from _function_name(at, function)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        code = _fault_of(arguments)
        if code:
            yield f"{at}/arguments", code, {}
    elif arguments is None:
        yield at, "missing_key", {"what": "'arguments'"}
    else:
        yield f"{at}/arguments", "wrong_type", {"what": "'arguments'", "expected": "a string of JSON"}


def _fault_of(arguments: str) -> str | None:
    try:
        value = loads(arguments, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return "arguments_not_json"
    if isinstance(value, str):
        return "arguments_double_encoded"
    return None if isinstance(value, dict) else "arguments_not_an_object"


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's, not JSON's (RFC 8259 §6)."""
    raise ValueError(name)


def exchange_findings(messages: list[Any], names: frozenset[str]) -> Iterator[Found]:
    """What is wrong between messages: calls of tools not in `names`, answers to no call, calls left open."""
    made: set[str] = set()
    open_calls: dict[str, str] = {}
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        at = f"/messages/{index}"
        if message.get("role") == "tool":
            answered = message.get("tool_call_id")
            if isinstance(answered, str) and answered and answered not in made:
                yield f"{at}/tool_call_id", "tool_answers_no_call", {}
            open_calls.pop(str(answered), None)
            continue
        for pointer in open_calls.values():
            yield pointer, "tool_call_unanswered", {}
        open_calls = {}
        for pointer, call_id, name in _calls(at, message):
            if name is not None and name not in names:
                yield f"{pointer}/name", "undeclared_tool", {"name": label(name)}
            if call_id is not None:
                open_calls[call_id] = pointer.removesuffix("/function")
        made |= open_calls.keys()


def _calls(at: str, message: dict[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    """(pointer of the function, id, name) of every call; the older form has no id."""
    for index, call in enumerate(_list(message.get("tool_calls"))):
        if isinstance(call, dict):
            yield f"{at}/tool_calls/{index}/function", _text(call.get("id")), _name_of(call.get("function"))
    if isinstance(message.get("function_call"), dict):
        yield f"{at}/function_call", None, _name_of(message["function_call"])


def _name_of(function: Any) -> str | None:
    return _text(function.get("name")) if isinstance(function, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]
