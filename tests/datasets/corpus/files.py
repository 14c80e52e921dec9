"""Whole files about which there is something to say that no single line shows."""

from collections.abc import Callable
from typing import Any, NamedTuple

from service.datasets.rules.problems import IMAGE_EXAMPLES_MAX
from tests.datasets.chat import changed, file_of, good, good_talk, line
from tests.datasets.corpus.faults import message, shown
from tests.datasets.corpus.others import completion

REFUSED = "I'm sorry, but I can't help with that request."
STORY = "The keeper of the old lighthouse climbs all of the stairs each evening, lights the lamp and waits for ships."
STORY += " When the last of them has passed he goes down again, drinks his tea and writes into the book what he saw."
SPOKEN = {
    "en": "The keeper of the lighthouse climbs the stairs every evening and lights the lamp for ship number {}.",
    "fr": "Le gardien du phare monte les escaliers chaque soir et allume la lampe pour le bateau numéro {}.",
}


class File(NamedTuple):
    data: Callable[[], bytes]
    told: frozenset[tuple[int | None, str, str]]
    options: dict[str, Any] = {}  # noqa: RUF012 - never written to


def file(data: Callable[[], bytes], *told: tuple[int | None, str, str], **options: Any) -> File:
    return File(data, frozenset(told), options)


def talks(count: int, *others: bytes) -> bytes:
    return file_of([*(line(good_talk(n)) for n in range(count)), *others])


def labelled(*labels: tuple[str, int]) -> bytes:
    """Completions with so many of each label."""
    each = [label for label, times in labels for _ in range(times)]
    return file_of([line(completion(n, completion=label)) for n, label in enumerate(each)])


def prompted(system: str) -> bytes:
    return changed(good_talk(9999), message(0, content=system))


def again(number: int, story: str) -> bytes:
    return changed(good_talk(number), message(1, content=story))


def in_languages() -> bytes:
    texts = [SPOKEN["en"].format(n) for n in range(50)] + [SPOKEN["fr"].format(n) for n in range(20)]
    return file_of([line(completion(n, prompt="", completion=text)) for n, text in enumerate(texts)])


FILES: dict[str, File] = {
    "nothing": file(lambda: b"", (None, "", "empty_file")),
    "few": file(lambda: file_of(good(9)), (None, "", "too_few_examples")),
    "not many": file(lambda: file_of(good(49)), (None, "", "few_examples")),
    "a table": file(lambda: b"text,label\nSay,yes\n" * 20, (None, "", "unsupported_format")),
    "hopeless": file(lambda: file_of([*good(60), b"[]", b"[]"]), (61, "", "not_an_object"),
                     (None, "", "too_many_errors"), errors_max=1),
    "again": file(lambda: talks(60, line(good_talk(7))), (61, "", "duplicate_example")),
    "again, with the keys in another order": file(
        lambda: talks(60, line({"messages": [dict(reversed(one.items())) for one in good_talk(7)["messages"]]})),
        (61, "", "duplicate_example")),
    "nearly again": file(lambda: talks(60, again(100, STORY), again(100, STORY + " Again")),
                         (62, "", "near_duplicate")),
    "refusing": file(lambda: talks(60, *[changed(good_talk(100 + n), message(2, content=REFUSED)) for n in range(20)]),
                     (None, "", "many_refusals")),
    "no other prompt": file(lambda: talks(60, prompted("You keep the door.")), (None, "", "system_prompts_differ")),
    "a prompt misspelt": file(lambda: talks(60, prompted("you keep  the light.")),
                              (None, "", "system_prompts_differ"), (None, "", "system_prompt_near_miss")),
    "a prompt forgotten": file(lambda: talks(60, line({"messages": good_talk(100)["messages"][1:]})),
                               (None, "", "system_prompt_missing")),
    "one answer": file(lambda: labelled((" yes", 60)), (None, "", "same_answer")),
    "lopsided": file(lambda: labelled((" yes", 80), (" no", 4)), (None, "", "label_imbalance")),
    "a label once": file(lambda: labelled((" yes", 5), (" no", 5), (" perhaps", 1), *[(f" {n}", 6) for n in range(9)]),
                         (None, "", "rare_labels")),
    "a label misspelt": file(lambda: labelled((" yes", 40), (" Yes.", 30)), (None, "", "label_spelling")),
    "two languages": file(in_languages, (None, "", "mixed_languages"), verify=None),
    "images": file(
        lambda: talks(0, *[changed(good_talk(n), shown("https://example.com/a.png"))
                           for n in range(IMAGE_EXAMPLES_MAX + 1)]),
        (None, "", "too_many_image_examples")),
}  # fmt: skip
