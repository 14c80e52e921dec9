"""Every rule a training file is held to: its code, how bad breaking it is, what is said, and whose rule it is.

An `error` is what the provider refuses a file for, or what would silently teach the wrong thing; it stops a job. A
`warning` does not. Messages never quote the file beyond short labels (a role, a key, a function's name).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct, field

from service.datasets.rules.texts import answers, facts, languages, near, prompts

EXAMPLES_MIN: Final = 10  # openai.md §3.6, DOC
EXAMPLES_ADVISED: Final = 50  # §3.6: "50–100 advised"
EXAMPLES_PROMISING: Final = 100  # the other end of it
IMAGES_MAX: Final = 10  # §3.2, per example
IMAGE_BYTES_MAX: Final = 10 * 1000**2  # §3.2
IMAGE_EXAMPLES_MAX: Final = 50_000  # §3.2, per file
FUNCTIONS_MAX: Final = 128  # §3.1; SPEC has the same for tools
# Protection, not the provider's rule. Its longest example is 65,536 tokens (§3.6): 0.3 MB of English, 0.6 MB of Chinese
# written as \u escapes. The largest image (10 MB, so 13.4 MB in base64) fits; what is longer is no line of examples.
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
NAME_CHARS_MAX: Final = 64
NAME_PATTERN: Final = r"^[^\s<|\\/>]*\Z"  # API, MEM; where it is `$`, a last newline would pass
DEPTH_MAX: Final = 100  # likewise: every reader's own limit lies elsewhere, and JSON schemas are not that deep
KEPT_PER_CODE: Final = 50  # in a report
TOLD_PER_CODE: Final = 100_000  # to whoever writes all of them down; for each segment
ERRORS_MAX: Final = 1_000_000  # in a segment: one of nothing but `0` lines would keep a worker busy for minutes
_LABEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Severity(StrEnum):
    """Whether a problem stops a job."""

    ERROR = "error"
    WARNING = "warning"


E, W = Severity.ERROR, Severity.WARNING

# § is openai.md, with its own tags (SPEC, DOC, MEM). API: the chat API refuses it. OURS: no rule of the provider's.
_OF_EXAMPLES: Final[dict[str, tuple[Severity, str]]] = {
    # The file.
    # §3.1, §3.9 "Unexpected file format"
    "unsupported_format": (
        E,
        "This looks like {found}. Data is JSONL of chats, pairs or items; a line of chats is {chat}. {advice}",
    ),
    "empty_file": (E, "There is no example in this file."),  # §3
    "too_few_examples": (E, "At least 10 examples are needed; there are only {examples}."),  # §3.6 invalid_n_examples
    "few_examples": (W, "There are {examples} examples; 50 to 100 are advised to begin with."),  # §3.6 DOC
    "too_many_image_examples": (E, "{examples} examples have images; 50,000 are allowed."),  # §3.2
    "whole_invalid": (E, "The dataset this is a part of has errors; its own report names them."),  # OURS
    "empty_part": (E, "The dataset this is a part of has too few examples to be cut like this."),  # OURS
    "too_many_classes": (E, "There are more than 10,000 different answers: they are no classes to cut by."),  # OURS
    "too_many_errors": (
        E,
        "{errors} errors up to line {line}: the {unread} lines after it were not read, and no total includes them.",
    ),
    # The line.
    "line_too_long": (E, "The line is longer than {limit_mib} MiB and was not read."),  # OURS, see above
    "invalid_utf8": (E, "The line is not valid UTF-8 (byte {byte})."),  # §3
    "invalid_json": (E, "The line is not valid JSON: {reason}."),  # §3, §3.9
    "byte_order_mark": (E, "The line begins with a byte order mark; only the file may."),  # RFC 8259 §8.1
    "duplicate_key": (E, "An object has the key {key} twice; one of its values would be lost."),  # RFC 8259 §4
    "nested_too_deep": (E, "Lists and objects lie in each other more than {depth} deep."),  # OURS, see above
    "not_an_object": (E, "The line is not a JSON object."),  # §3.7 data_type
    "empty_line": (W, "The line is empty; it is skipped."),  # OURS
    "lone_surrogate": (W, "A \\u escape is half a character; it counts as the replacement character."),  # OURS
    # The example.
    "duplicate_example": (W, "The same example as line {first}."),  # §4.2, 6
    "other_format": (E, "This line looks like {found}, the file like {expected}; a file has one format."),  # §3.1
    "missing_messages": (E, "There is no 'messages'; the line looks like {found}."),  # §3.1
    "empty_completion": (E, "'completion' is empty: there is nothing to learn from."),  # §4.2, 4: removed
    "empty_messages": (E, "'messages' is empty."),  # §3.1: at least one
    "wrong_type": (E, "{what} must be {expected}."),  # §3.1, the schema
    "missing_key": (E, "{what} is missing."),  # §3.1, the schema; §3.9 "Discriminator 'role' is missing"
    "unknown_key": (W, "{key} is not part of {where}; the provider may refuse it."),  # §3.1: rejected once, MEM
    "no_assistant_message": (E, "No message has the role 'assistant': there is nothing to learn from."),  # §3.1
    "ends_without_question": (
        E,
        "The last message must be the user's or developer's; the answer is a key of its own.",
    ),  # §3.4
    "last_message_not_assistant": (W, "The last message is not the assistant's."),  # §3.1: "practically last"
    "nothing_to_learn": (W, "Every assistant message has weight 0: there is nothing to learn from."),  # §3.1
    # §3.6: truncated from the end
    "example_too_long": (W, "{tokens} tokens; a limit of {limit} cuts off the last {lost} ({share} %), answer first."),
    # The message.
    # API, MEM
    "name_format": (W, "'name' should have at most 64 characters, none of them a space or one of < | \\ / >."),
    "unknown_role": (E, "{role} is no role: use system, developer, user, assistant, tool or function."),  # §3.1
    "missing_content": (E, "'content' is missing; only an assistant that calls or refuses may leave it out."),  # §3.1
    "empty_content": (W, "'content' is empty."),  # §3.7 missing_content
    "weight_not_0_or_1": (E, "'weight' must be 0 or 1."),  # §3.1
    "weight_not_assistant": (E, "'weight' is allowed on assistant messages only."),  # §3.1
    # §3.2; SPEC ChatCompletionRequestAssistantMessageContentPart: an assistant's may be a refusal
    "unknown_part": (E, "A part of 'content' must have the type 'text' or 'image_url'."),
    "image_not_user": (E, "An image is allowed in user messages only."),  # §3.2: none in assistant messages; SPEC
    "image_url_invalid": (E, "'url' must be an http(s) or a data: URL."),  # §3.2
    # §3.2: all these are skipped by the provider, not refused
    "image_format": (W, "The data: URL holds no JPEG, PNG or WEBP in base64; the image will be skipped."),
    "image_not_rgb": (W, "The PNG is {colours}, not RGB or RGBA; the image may be skipped."),
    "image_too_large": (W, "The image has {megabytes} MB; above 10 MB it is skipped."),
    "too_many_images": (W, "There are {images} images; 10 an example are allowed."),  # §3.2; 64 at Azure
    # Tools.
    "not_a_function": (E, "'type' must be 'function'."),  # §3.1
    # SPEC FunctionObject
    "function_name_format": (W, "A function's name should be 1 to 64 letters, digits, '_' or '-'."),
    "too_many_functions": (E, "There are {functions} functions; at most 128 are allowed."),  # §3.1; SPEC, of tools
    # §3.1: a JSON string
    "arguments_not_json": (E, "'arguments' is a string but not JSON: the model would learn to make broken calls."),
    "arguments_double_encoded": (W, "'arguments' is JSON encoded twice."),  # §7, seen in real data
    "arguments_not_an_object": (W, "'arguments' is JSON but not an object."),  # SPEC: parameters are an object
    "undeclared_tool": (W, "{name} is called but not declared in 'tools'."),  # OURS: the model cannot know it
    "tool_answers_no_call": (E, "No earlier message makes a call with this 'tool_call_id'."),  # API
    "tool_call_unanswered": (W, "This call is not answered before the conversation goes on."),  # API, at inference
}
_OF_TEXTS: Final = (facts.CODES, near.CODES, answers.CODES, prompts.CODES, languages.CODES)
RULES: Final = _OF_EXAMPLES | {
    code: (Severity(severity), message) for codes in _OF_TEXTS for code, (severity, message) in codes.items()
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule. `line` counts from 1, null is the file; `pointer` (RFC 6901) starts at the line's object."""

    line: int | None
    pointer: str
    code: str
    severity: Severity
    message: str

    def after(self, lines: int) -> "Problem":
        """The same problem, in a file where so many lines come before."""
        return replace(self, line=self.line + lines) if self.line is not None and lines else self


def problem(line: int | None, pointer: str, code: str, /, **facts: Any) -> Problem:
    """A broken rule; `facts` fill its message."""
    severity, message = RULES[code]
    return Problem(line, pointer, code, severity, message.format(**facts))


Tell = Callable[[Problem], None]


class Problems(Struct):
    """Problems as they are found: the first of each code are kept, all are counted."""

    kept: list[Problem] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    warnings: int = 0

    def add(self, problem: Problem, tell: Tell | None = None) -> None:
        """Note one, and `tell` it unless too many of its kind were told."""
        total = self.totals.get(problem.code, 0) + 1
        self.totals[problem.code] = total
        if problem.severity is Severity.ERROR:
            self.errors += 1
        else:
            self.warnings += 1
        if total <= KEPT_PER_CODE:
            self.kept.append(problem)
        if tell is not None and total <= TOLD_PER_CODE:
            tell(problem)

    def more(self, code: str, count: int) -> None:
        """Count so many more of a code that need not be told one by one."""
        self.totals[code] = self.totals.get(code, 0) + count
        if RULES[code][0] is Severity.ERROR:
            self.errors += count
        else:
            self.warnings += count

    def join(self, later: "Problems", lines_before: int) -> None:
        """Take in the problems of lines that come after."""
        room = {code: KEPT_PER_CODE - self.totals.get(code, 0) for code in later.totals}
        for problem in later.kept:
            if room[problem.code] > 0:
                room[problem.code] -= 1
                self.kept.append(problem.after(lines_before))
        for code, total in later.totals.items():
            self.totals[code] = self.totals.get(code, 0) + total
        self.errors += later.errors
        self.warnings += later.warnings


def label(text: object) -> str:
    """A role, key or name as it may be shown: short plain identifiers only, since all else may be training text."""
    return f"'{text}'" if isinstance(text, str) and _is_identifier(text) else "this value"


def step(key: str) -> str:
    """A key as one step of a pointer; one that is no short plain identifier is shown as `?`, for the same reason."""
    return f"/{key}" if _is_identifier(key) else "/?"


@lru_cache(maxsize=1024)
def _is_identifier(text: str) -> bool:
    """Whether it may be shown: an access key or a social security number is short and plain, too."""
    return _LABEL.fullmatch(text) is not None and not facts.facts_of(text).findings
