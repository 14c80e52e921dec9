"""The second pass: the examples that the accepted steps make, a line each; the same bytes every time."""

import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from service.datasets.rules.preparing import sources
from service.datasets.rules.preparing.gathering import hash_of, is_empty, repeated
from service.datasets.rules.preparing.rows import Chosen, Layout
from service.datasets.rules.preparing.sources import Source
from service.datasets.rules.preparing.steps import CHAT
from service.datasets.rules.preparing.texts import Read

Rewrite = Callable[[str], str]
Steps = Mapping[str, Mapping[str, Any]]


def prepared(recipe: Mapping[str, Any], read: Read, *, system: str | None = None) -> Iterator[bytes]:
    """The lines of the dataset. Raises CannotBePrepared where the file is not the one the recipe was made for."""
    source = sources.as_laid_out(read, Layout(**recipe["source"]))
    prompt, completion = recipe["columns"]["prompt"], recipe["columns"]["completion"]
    chosen = Chosen(None if prompt is None else prompt - 1, completion - 1)
    steps: Steps = {step["id"]: step for step in recipe["steps"]}
    of_prompt, of_completion = _of_prompts(steps), _of_completions(steps)
    write = _chat(system) if recipe["to"] == CHAT else _pair
    for before, after in _kept(read, source, chosen, steps):
        yield write(_through(of_prompt, before), _through(of_completion, after))


def _kept(read: Read, source: Source, chosen: Chosen, steps: Steps) -> Iterator[tuple[str, str]]:
    """The rows that no step leaves out."""
    characters_max = steps["remove_long"]["characters"] if "remove_long" in steps else None
    is_again = _duplicates(read, source, chosen) if "remove_duplicates" in steps else None
    for index, (prompt, completion) in enumerate(_filled(read, source, chosen)):
        if characters_max is not None and len(prompt) + len(completion) > characters_max:
            continue
        if is_again is None or not is_again[index]:
            yield prompt, completion


def _filled(read: Read, source: Source, chosen: Chosen) -> Iterator[tuple[str, str]]:
    """Rows that can be read and have a completion."""
    for _, prompt, completion in sources.rows(read, source, chosen):
        if completion is not None and not is_empty(completion):
            yield prompt, completion


def _duplicates(read: Read, source: Source, chosen: Chosen) -> bytearray:
    """For each row that is filled, 1 if it repeats an earlier one. A pass of its own: 9 bytes a row."""
    hashes = array("Q", (hash_of(prompt, completion) for prompt, completion in _filled(read, source, chosen)))
    found = bytearray(len(hashes))
    for index in repeated(hashes):
        found[index] = 1
    return found


def _of_prompts(steps: Steps) -> list[Rewrite]:
    """Removals come first, as they were measured on the texts as they are; what is added stays as it is added."""
    found: list[Rewrite] = []
    if step := steps.get("remove_prompt_prefix"):
        found.append(_cut(step["characters"]))
    if step := steps.get("remove_separator"):
        found.append(_without(step["text"]))
    if "lower_prompt" in steps:
        found.append(str.lower)
    if step := steps.get("add_separator"):
        found.append(_with(step["text"]))
    return found


def _of_completions(steps: Steps) -> list[Rewrite]:
    found: list[Rewrite] = []
    if step := steps.get("remove_completion_prefix"):
        found.append(_cut_but_a_space(step["characters"]))
    if step := steps.get("remove_stop"):
        found.append(_without(step["text"]))
    if "trim" in steps:
        found.append(str.strip)
    if "lower_completion" in steps:
        found.append(str.lower)
    if step := steps.get("add_stop"):
        found.append(_with(step["text"]))
    if "add_space" in steps:
        found.append(lambda text: text if text.startswith(" ") else " " + text)
    return found


def _through(rewrites: list[Rewrite], text: str) -> str:
    """The text rewritten; a step that would leave nothing of it is passed over."""
    for rewrite in rewrites:
        changed = rewrite(text)
        text = text if is_empty(changed) else changed
    return text


def _cut(characters: int) -> Rewrite:
    return lambda text: text[characters:]


def _cut_but_a_space(characters: int) -> Rewrite:
    return lambda text: (" " if text.startswith(" ") else "") + text[characters:]


def _without(mark: str) -> Rewrite:
    return lambda text: text.removesuffix(mark)


def _with(mark: str) -> Rewrite:
    return lambda text: text + mark


def _pair(prompt: str, completion: str) -> bytes:
    return _line({"prompt": prompt, "completion": completion})


def _chat(system: str | None) -> Callable[[str, str], bytes]:
    """With the system message first, if there is one; without a prompt there is no user."""
    first = [] if system is None else [{"role": "system", "content": system}]

    def write(prompt: str, completion: str) -> bytes:
        asked = [] if is_empty(prompt) else [{"role": "user", "content": prompt}]
        return _line({"messages": [*first, *asked, {"role": "assistant", "content": completion}]})

    return write


def _line(example: dict[str, Any]) -> bytes:
    written = json.dumps(example, ensure_ascii=False) + "\n"
    try:
        return written.encode()
    except UnicodeEncodeError:  # half a character, which JSON can escape and UTF-8 cannot write
        return written.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
