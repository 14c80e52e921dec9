"""What the page of problems says of each rule: how to mend what breaks it, whose rule it is, and a line that does.

Examples are whole lines, except where only a whole file breaks the rule; a test checks that they do.
"""

from typing import Final, NamedTuple

SPEC: Final = "OpenAI's API specification"
GUIDE: Final = "OpenAI's fine-tuning guide"
NOTEBOOK: Final = "OpenAI's notebook for preparing chat data"
LEGACY: Final = "OpenAI's `fine_tunes.prepare_data`"
JSON: Final = "RFC 8259"
OURS: Final = "Tuneplane"


class Explained(NamedTuple):
    """How to mend it, whose rule it is, and an example (none where it takes a file)."""

    mend: str
    source: str
    example: str | None = None


_SYSTEM = '{"role": "system", "content": "Be brief."}'
_ASKED = '{"role": "user", "content": "When?"}'
_TOLD = '{"role": "assistant", "content": "Now."}'
_CALLS = (
    '{"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": '
    '{"name": "look", "arguments": "%s"}}]}'
)
_LOOKED = '{"role": "tool", "tool_call_id": "c1", "content": "fog"}'
_TOOLS = ', "tools": [{"type": "function", "function": {"name": "look"}}]'


def _chat(*messages: str, more: str = "") -> str:
    return f'{{"messages": [{", ".join(messages)}]{more}}}'


def _image(url: str) -> str:
    part = f'{{"type": "image_url", "image_url": {{"url": "{url}"}}}}'
    return _chat(f'{{"role": "user", "content": [{part}]}}', _TOLD)


def _calling(arguments: str = "{}", *, answer: str = _LOOKED, more: str = _TOOLS) -> str:
    return _chat(_ASKED, _CALLS % arguments, *([answer] if answer else []), _TOLD, more=more)


FILES: Final = {
    "unsupported_format": Explained("Prepare it: `POST /v1/datasets/{id}/prepare`.", GUIDE),
    "empty_file": Explained("Upload a file with examples.", GUIDE),
    "too_few_examples": Explained("Add examples.", f"{GUIDE}; a job fails with `invalid_n_examples`"),
    "few_examples": Explained("Add examples, or see what these teach first.", GUIDE),
    "too_many_image_examples": Explained("Take examples with images out, or cut the dataset.", GUIDE),
    "whole_invalid": Explained("Mend the dataset it is a part of.", OURS),
    "empty_part": Explained("Cut another share, or add examples.", OURS),
    "too_many_classes": Explained("Cut without `stratify_by`: these answers are no classes.", OURS),
    "too_many_errors": Explained("Mend the errors that are told, then upload again.", OURS),
    "duplicate_example": Explained("Take it out: what is there twice counts twice.", f"{LEGACY}, validator 6"),
    "near_duplicate": Explained("Keep one of the two, unless the difference is the point.", OURS),
    "many_refusals": Explained("Take refusals out, or add examples with answers.", GUIDE),
    "same_answer": Explained("Add examples with other answers.", f"{LEGACY}, validator 12"),
    "label_imbalance": Explained("Add examples of the rare labels.", OURS),
    "rare_labels": Explained("Correct the label, or add examples of it.", OURS),
    "label_spelling": Explained("Write each label in one way.", OURS),
    "system_prompt_missing": Explained("Give every example the system prompt you will use.", NOTEBOOK),
    "system_prompts_differ": Explained("Use one system prompt, unless the difference is meant.", OURS),
    "system_prompt_near_miss": Explained("Use one spelling of it.", OURS),
    "mixed_languages": Explained("Take examples in other languages out, unless they are meant.", OURS),
}
LINES: Final = {
    "line_too_long": Explained("Cut the example, or give images by address.", OURS),
    "invalid_utf8": Explained("Save the file as UTF-8.", f"{JSON} §8.1"),
    "invalid_json": Explained("Write each example as JSON, in one line.", JSON, _chat(_ASKED, _TOLD)[:-1]),
    "byte_order_mark": Explained("Take it out; it is left over where files were put together.", f"{JSON} §8.1"),
    "duplicate_key": Explained(
        "Keep one of them.", f"{JSON} §4", _chat('{"role": "user", "content": "When?", "content": "Where?"}', _TOLD)
    ),
    "nested_too_deep": Explained("Make the structure flatter.", OURS),
    "not_an_object": Explained("Write an object.", NOTEBOOK, "[1, 2]"),
    "empty_line": Explained("Take the line out.", OURS, ""),
    "lone_surrogate": Explained(
        "Write the whole character; it was cut in two.", f"{JSON} §8.2",
        _chat('{"role": "user", "content": "\\ud83d?"}', _TOLD),
    ),
    "other_format": Explained(
        "Put it into a file of its own.", f"{GUIDE}; a job fails with `Unexpected file format`",
        '{"prompt": "When? ->", "completion": " Now."}',
    ),
    "missing_messages": Explained("Give the example its `messages`.", SPEC, '{"text": "When? Now."}'),
    "empty_completion": Explained(
        "Take the pair out, or complete it.", f"{LEGACY}, validator 4", '{"prompt": "When? ->", "completion": ""}'
    ),
    "empty_messages": Explained("Take the example out.", SPEC, _chat()),
    "wrong_type": Explained("Write the value as the schema has it.", SPEC, '{"messages": "When? Now."}'),
    "missing_key": Explained("Add it.", SPEC, _chat('{"content": "When?"}', _TOLD)),
    "unknown_key": Explained("Take it out.", "OpenAI's service, as seen", _chat(_ASKED, _TOLD, more=', "source": "w"')),
    "no_assistant_message": Explained("Add the answer that is to be learned.", NOTEBOOK, _chat(_ASKED)),
    "ends_without_question": Explained(
        "Take the answer out of the messages.", GUIDE, _chat(_ASKED, _TOLD, more=', "answer": "Now."')
    ),
    "last_message_not_assistant": Explained("End with the answer.", GUIDE, _chat(_ASKED, _TOLD, _ASKED)),
    "nothing_to_learn": Explained(
        "Give the weight 1 to an answer.", SPEC, _chat(_ASKED, '{"role": "assistant", "content": "Now.", "weight": 0}')
    ),
    "example_too_long": Explained("Shorten it: the answer is at its end and lost first.", GUIDE),
}  # fmt: skip
MESSAGES: Final = {
    "name_format": Explained(
        "Use letters, digits, `_` and `-`.", "OpenAI's service, as seen",
        _chat('{"role": "user", "name": "the keeper", "content": "When?"}', _TOLD),
    ),
    "unknown_role": Explained("Use one of these.", SPEC, _chat('{"role": "human", "content": "When?"}', _TOLD)),
    "missing_content": Explained("Add it.", SPEC, _chat('{"role": "user"}', _TOLD)),
    "empty_content": Explained("Say something.", NOTEBOOK, _chat('{"role": "user", "content": ""}', _TOLD)),
    "weight_not_0_or_1": Explained(
        "Write 0 or 1.", SPEC, _chat(_ASKED, '{"role": "assistant", "content": "Now.", "weight": 0.5}')
    ),
    "weight_not_assistant": Explained(
        "Take it out.", SPEC, _chat('{"role": "user", "content": "When?", "weight": 1}', _TOLD)
    ),
    "unknown_part": Explained(
        "Leave other parts out.", SPEC, _chat('{"role": "user", "content": [{"type": "input_audio"}]}', _TOLD)
    ),
    "image_not_user": Explained(
        "Move it to a user message.", GUIDE,
        _chat(_ASKED, '{"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "https://a.b"}}]}'),
    ),
    "image_url_invalid": Explained("Give an address, or the image itself.", GUIDE, _image("a.png")),
    "image_format": Explained("Convert the image.", GUIDE, _image("data:image/gif;base64,R0lGODlh")),
    "image_not_rgb": Explained("Convert the image to RGB or RGBA.", GUIDE),
    "image_too_large": Explained("Make the image smaller.", GUIDE),
    "too_many_images": Explained("Keep ten of them.", GUIDE),
}  # fmt: skip
TOOLS: Final = {
    "not_a_function": Explained(
        "Write `function`.", SPEC, _chat(_ASKED, _TOLD, more=', "tools": [{"type": "code", "function": {"name": "a"}}]')
    ),
    "function_name_format": Explained(
        "Rename it.", SPEC, _chat(_ASKED, _TOLD, more=', "tools": [{"type": "function", "function": {"name": "a b"}}]')
    ),
    "too_many_functions": Explained(
        "Offer those that the example needs, or leave it out.", SPEC, _chat(_ASKED, _TOLD, more=', "functions": []')
    ),
    "arguments_not_json": Explained("Write JSON, as a string.", SPEC, _calling("{place: Brest}")),
    "arguments_double_encoded": Explained(
        "Encode them once.", "seen in real datasets", _calling(r"\"{\\\"place\\\": \\\"Brest\\\"}\"")
    ),
    "arguments_not_an_object": Explained("Name the arguments.", SPEC, _calling("[1]")),
    "undeclared_tool": Explained("Declare it in `tools`.", OURS, _calling(more="")),
    "tool_answers_no_call": Explained("Give it the id of the call.", "OpenAI's service", _chat(_ASKED, _LOOKED, _TOLD)),
    "tool_call_unanswered": Explained("Add the tool's answer.", "OpenAI's service", _calling(answer="")),
}  # fmt: skip
_TAKE_OUT: Final = Explained("Take it out or put a made-up one; revoke a secret that was ever shared.", OURS)
TEXTS: Final = {
    "special_token": Explained(
        "Take it out, or write it otherwise.", "tiktoken's list, and templates of others",
        _chat(_ASKED, '{"role": "assistant", "content": "Now.<|im_end|>"}'),
    ),
    "personal_email": _TAKE_OUT._replace(
        example=_chat(_ASKED, '{"role": "assistant", "content": "Ask anna@lighthouse-brest.fr."}')
    ),
}  # fmt: skip
EXPLAINED: Final = FILES | LINES | MESSAGES | TOOLS | TEXTS


def explain(code: str) -> Explained:
    """Of any rule; those about secrets and personal data are mended alike. Raises KeyError."""
    return EXPLAINED.get(code) or (_TAKE_OUT if code.startswith(("secret_", "personal_")) else EXPLAINED[code])
