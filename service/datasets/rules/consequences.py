"""What comes of a problem that is not mended. What it is its message says, and how to mend it `explained`."""

from typing import Final

_REFUSED: Final = "The provider refuses the file."
"""What comes of an error unless something else is said here."""
_OF_CODE: Final = {
    "unsupported_format": "Nothing can be trained on it.",
    "empty_file": "Nothing can be trained on it.",
    "few_examples": "Training may show little.",
    "whole_invalid": "It cannot be made.",
    "empty_part": "It cannot be made.",
    "too_many_classes": "It cannot be cut by answer.",
    "too_many_errors": "The rest of the file is unknown.",
    "line_too_long": "It was not read, and no model takes so long an example.",
    "byte_order_mark": "The line is not JSON.",
    "duplicate_key": "Whoever reads it loses one of the two.",
    "nested_too_deep": "Readers give up on it.",
    "empty_line": "Nothing; it is skipped.",
    "lone_surrogate": "The model learns a replacement character.",
    "duplicate_example": "It weighs double, and may stand on both sides of a split.",
    "near_duplicate": "They teach the same thing twice.",
    "empty_completion": "There is nothing to learn from it.",
    "unknown_key": "It teaches nothing, and the provider may refuse it.",
    "no_assistant_message": "There is nothing to learn from it.",
    "ends_without_question": "The model would have nothing to answer.",
    "last_message_not_assistant": "What comes after the last answer teaches nothing.",
    "nothing_to_learn": "The example costs tokens and teaches nothing.",
    "example_too_long": "What is cut off is not learned: the end of the answer.",
    "name_format": "The provider may refuse it.",
    "empty_content": "The model learns to say nothing there.",
    "image_format": "The image is skipped.",
    "image_not_rgb": "The image may be skipped.",
    "image_too_large": "The image is skipped.",
    "too_many_images": "The example may be refused.",
    "function_name_format": "The provider may refuse it.",
    "arguments_not_json": "The model learns to make broken calls.",
    "arguments_double_encoded": "The model learns to encode twice.",
    "arguments_not_an_object": "No function takes it.",
    "undeclared_tool": "The model learns to call what it is not offered.",
    "tool_call_unanswered": "At inference such a conversation is refused.",
    "special_token": "The model learns it as text, and may write it.",
    "many_refusals": "The model learns to refuse what it could answer.",
    "same_answer": "The model learns to say that, whatever it is asked.",
    "label_imbalance": "Rare labels are hardly ever predicted.",
    "rare_labels": "A slip becomes a label.",
    "label_spelling": "One label is learned as two.",
    "system_prompt_missing": "The model cannot tell when it is to behave so.",
    "system_prompts_differ": "Each teaches a behaviour of its own.",
    "system_prompt_near_miss": "A slip is learned as a prompt of its own.",
    "mixed_languages": "The model may answer in the wrong one.",
}
_OF_SECRETS: Final = "Whoever uses the model may be told it; it has left your hands already."
_OF_PERSONAL_DATA: Final = "Whoever uses the model may be told it."


def consequence(code: str) -> str:
    """A sentence, for any rule."""
    if code.startswith("secret_"):
        return _OF_SECRETS
    if code.startswith("personal_"):
        return _OF_PERSONAL_DATA
    return _OF_CODE.get(code, _REFUSED)


def told() -> frozenset[str]:
    """The codes that have a sentence of their own."""
    return frozenset(_OF_CODE)
