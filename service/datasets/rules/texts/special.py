"""Special tokens spelled out: a leftover of some chat template, which the provider reads as plain text."""

import re
from typing import Final

from service.datasets.rules.texts.spans import Span

CODES: Final = {
    "special_token": (
        "warning",
        "Characters {start} to {end} spell a special token of a chat template; in a message it is plain text.",
    ),
}
# tiktoken's openai_public.py names endoftext, fim_* and endofprompt; openai.md §3.7 the three of chats. [INST] is how
# Llama 2 and Mistral write a turn. Their <s> is left alone: in HTML it strikes text out.
_TOKEN: Final = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|im_start|im_end|im_sep)\|>|\[/?INST\]"
)


def spans(text: str) -> list[Span]:
    """Every special token spelled out in a text."""
    if "<|" not in text and "INST]" not in text:
        return []
    return [Span("special_token", *match.span()) for match in _TOKEN.finditer(text)]
