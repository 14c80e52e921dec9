"""Which format is this file in? Seen from its first lines; what nothing can be trained on is named too.

Formats and their keys: openai.md §3.1 chat, §3.3 preference pairs, §3.4 reinforcement items, §3.5 prompt/completion.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from json import loads
from typing import Any, Final

from service.datasets.rules.problems import label

CHAT: Final = "chat"
PREFERENCE: Final = "preference"
REINFORCEMENT: Final = "reinforcement"
COMPLETION: Final = "prompt_completion"
METHODS: Final = {CHAT: "supervised", PREFERENCE: "dpo", REINFORCEMENT: "reinforcement"}
"""Format → the method that trains on it, where a model of today does; prompt/completion pairs are read all the same."""

EXAMPLE_KEYS: Final = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
CHAT_EXAMPLE: Final = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'


@dataclass(frozen=True, slots=True)
class Format:
    """A format by its name in the API, and in the words of a refusal; `convertible` is what can be prepared."""

    name: str
    words: str
    convertible: bool = False

    @property
    def advice(self) -> str:
        """What to do with such a file instead."""
        return _PREPARE if self.convertible else "Convert it first."


_PREPARE: Final = "Or prepare it: POST /v1/datasets/{id}/prepare makes chats or prompt/completion pairs of it."
_CHAT = Format(CHAT, "chat messages")
_MAGIC: Final = (
    (b"PK\x03\x04", Format("zip", "a ZIP archive")),
    (b"\x1f\x8b", Format("gzip", "a gzip archive")),
    (b"\x28\xb5\x2f\xfd", Format("zstd", "a zstd archive")),
    (b"PAR1", Format("parquet", "a Parquet file")),
    (b"%PDF", Format("pdf", "a PDF document")),
    (b"\xff\xfe", Format("utf16", "UTF-16 text, where UTF-8 is needed")),
    (b"\xfe\xff", Format("utf16", "UTF-16 text, where UTF-8 is needed")),
)
_WORKBOOK: Final = Format("xlsx", "an XLSX workbook", convertible=True)
_OFFICE: Final = re.compile(rb"\[Content_Types\]\.xml|xl/")  # names in the archive (ECMA-376 2, §7)
_PREFERENCE: Final = Format(PREFERENCE, "preference pairs")
_COMPLETION: Final = Format(COMPLETION, "prompt/completion pairs")
_KEYS: Final = (  # the first whose keys are all there
    ({"input", "preferred_output"}, _PREFERENCE),
    ({"input", "non_preferred_output"}, _PREFERENCE),
    ({"input", "preferred_completion"}, _PREFERENCE),  # the specification's name, which the API never took (§3.3)
    ({"chosen", "rejected"}, Format("chosen_rejected", "pairs of chosen and rejected answers")),
    ({"prompt", "completion"}, _COMPLETION),
    ({"question", "answer"}, Format("question_answer", "question/answer pairs", convertible=True)),
    ({"instruction", "output"}, Format("instruction", "instruction/output pairs", convertible=True)),
    ({"conversations"}, Format("conversations", "conversations in the ShareGPT format")),
    ({"contents"}, Format("contents", "conversations in the Gemini format")),
)
_REINFORCEMENT: Final = Format(REINFORCEMENT, "reinforcement items")
_ARRAY: Final = Format("json", "one JSON document, where every line must be an object of its own", convertible=True)
READ: Final = {one.name: one for one in (_CHAT, _PREFERENCE, _REINFORCEMENT, _COMPLETION)}
"""The formats whose lines are read one by one."""
_BROKEN: Final = Format("broken", "lines that are not JSON")


def describe(example: dict[str, Any]) -> str:
    """An object that is no chat example, in words."""
    return _of_object(example).words


def other(example: dict[str, Any], expected: str) -> Format | None:
    """The known format an object is of, if not the expected one. Items and chats are one here: both have messages."""
    found = _of_object(example)
    is_known = found in READ.values() or any(found is one for _, one in _KEYS)
    are_messages = {found.name, expected} <= {CHAT, REINFORCEMENT}
    return found if is_known and found.name != expected and not are_messages else None


def detect(lines: Sequence[bytes]) -> Format:
    """The format of a file whose first lines that are not empty are these.

    Chat unless most of them are something else: one odd line among chat lines is that line's own problem.
    """
    for magic, archive in _MAGIC:
        if lines and lines[0].startswith(magic):
            is_workbook = archive.name == "zip" and _OFFICE.search(b"\n".join(lines)) is not None
            return _WORKBOOK if is_workbook else archive
    seen = Counter(_of_line(line) for line in lines)
    ((found, times),) = seen.most_common(1) or [(_CHAT, 0)]
    if seen[_CHAT] >= times:
        return _CHAT
    return found if found is not _BROKEN else _of_text(lines, chat_seen=_CHAT in seen)


def _of_line(line: bytes) -> Format:
    try:
        value = loads(line.decode())
    except (ValueError, RecursionError):
        return _BROKEN
    if isinstance(value, dict):
        return _of_object(value)
    return _ARRAY if isinstance(value, list) else Format("jsonl", "lines of single values")


def _of_object(value: dict[str, Any]) -> Format:
    if value.get("messages") is not None:
        return _REINFORCEMENT if _awaits_an_answer(value) else _CHAT
    for keys, found in _KEYS:
        if keys <= value.keys():
            return found
    shown = [label(key) for key in value if label(key) != label(None)][:5]
    return Format(
        "jsonl", f"objects with the keys {', '.join(shown)}" if shown else "objects with other keys", convertible=True
    )


def _awaits_an_answer(value: dict[str, Any]) -> bool:
    """Whether the messages end with the question while other keys hold what a grader needs (§3.4)."""
    messages = value["messages"]
    if not isinstance(messages, list) or not value.keys() - EXAMPLE_KEYS:
        return False
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    return bool(roles) and roles[-1] in ("user", "developer") and "assistant" not in roles


def _of_text(lines: Sequence[bytes], *, chat_seen: bool) -> Format:
    """What lines are that are not JSON; chat all the same where some of them are."""
    if chat_seen:
        return _CHAT
    text = [line.decode(errors="replace").strip() for line in lines]
    if text[0].startswith("["):
        return _ARRAY
    if text[0].startswith("{"):
        return _ARRAY if text[0] == "{" else _CHAT  # a document over several lines; or lines that are broken
    for name, delimiter in (("tsv", "\t"), ("csv", ","), ("csv", ";")):
        columns = _columns(text, delimiter)
        if columns > 1:
            return Format(name, f"{name.upper()} with {columns} columns", convertible=True)
    return Format("text", "plain text", convertible=True)


def _columns(text: Sequence[str], delimiter: str) -> int:
    """How many columns the header has, if most rows have as many; else 0."""
    try:
        widths = [len(row) for row in csv.reader(text, delimiter=delimiter)]
    except csv.Error:
        return 0
    return widths[0] if widths.count(widths[0]) * 4 >= len(widths) * 3 else 0
