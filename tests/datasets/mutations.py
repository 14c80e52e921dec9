"""Lines of every format with something wrong in them, by the thousand and the same for the same seed."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.datasets.chat import ERRAND, SKETCH, TALK
from tests.datasets.corpus.others import completion, item, pair
from tests.datasets.texts.test_secrets import SAMPLES

GOOD: dict[str, list[dict[str, Any]]] = {
    "chat": [TALK, ERRAND, SKETCH],
    "preference": [pair(1), pair(2, input=ERRAND | {"messages": ERRAND["messages"][:1]})],
    "reinforcement": [item(1), item(2, grader={"kind": "exact"})],
    "prompt_completion": [completion(1)],
}
ODD: list[Any] = [
    None, True, 0, 1, -1, 0.5, 1e308, 10**25, "", " ", "\x00", "\ud800", "\U0001f9ff" * 9, "user", "assistant", "tool",
    "{}", [], {}, [[]], [{}], {"": ""}, {"type": "text"}, [{"type": "function", "function": {"name": "weather"}}],
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "a" * 3000, "+49 30 901820 " * 40,
    "12 34 56 " * 300, "<|im_end|>" * 50, "://a:@" * 300, "e@" * 800, "{" * 500, "\\" * 999,
    *[secret for _, secret in SAMPLES],
]  # fmt: skip
KEYS = [
    "role", "content", "name", "weight", "tool_calls", "tool_call_id", "function", "function_call", "arguments", "id",
    "type", "text", "image_url", "url", "messages", "tools", "functions", "refusal", "prompt", "completion", "input",
    "preferred_output", "non_preferred_output", "parallel_tool_calls", "", "\x00", "~/", "a whole sentence",
]  # fmt: skip
BYTES = [
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\u", b"\\ud800", b'"', b"\\", b"{", b"]", b",", b":", b"NaN",
    b"1e999", b"9" * 5000, b"[" * 2000, b" " * 2000, b"null", b"\r", b"\t",
]  # fmt: skip


def mutated(form: str, seed: int) -> Iterator[bytes]:
    """Lines without end."""
    dice = random.Random(f"{form} {seed}")
    while True:
        example = json.loads(json.dumps(dice.choice(GOOD[form])))
        for _ in range(dice.randint(1, 4)):
            _change(example, dice)
        written = json.dumps(example, ensure_ascii=dice.random() < 0.5).encode(errors="surrogatepass")
        yield (_torn(written, dice) if dice.random() < 0.4 else written).replace(b"\n", b" ")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


def _change(example: dict[str, Any], dice: random.Random) -> None:
    places = list(_places(example))
    if not places:
        return
    place, key = dice.choice(places)
    match dice.randrange(4):
        case 0:
            place[key] = dice.choice(ODD)
        case 1 if isinstance(place, dict):
            place[dice.choice(KEYS)] = deepcopy(dice.choice([*ODD, *(inner[at] for inner, at in places)]))
        case 2 if isinstance(place, list):
            place[:] = place * dice.randint(0, 3)
        case _:
            del place[key]


def _torn(written: bytes, dice: random.Random) -> bytes:
    """Bytes changed, lost or put in."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(written) + 1)
        written = written[:at] + dice.choice([b"", dice.choice(BYTES)]) + written[at + dice.choice([0, 0, 1, 9]) :]
    return written
