"""What each kind of recipe makes: the bytes of a dataset out of its parent's, the same every time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from service.datasets.rules import preparing, splits, strata
from service.datasets.rules.lines import numbered
from service.datasets.rules.splits import Part, Split, Subset

Read = Callable[[], Iterable[bytes]]
"""Opens the parent's bytes anew, to be read to their end."""


class CannotBeMade(Exception):
    """The recipe does not fit the file: the code of the problem that says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def needs_verdict(recipe: dict[str, Any]) -> bool:
    """Whether the parent has to be free of errors. What is prepared is no training file yet."""
    return bool(recipe["kind"] != "prepare")


def leaves_something(recipe: dict[str, Any], examples: int) -> bool:
    """Whether so many examples are enough for it."""
    match recipe["kind"]:
        case "split":
            return Split.of(recipe).leaves_something(examples)
        case "subset":
            return Subset.of(recipe).can_be_taken(examples)
    return True


def made(recipe: dict[str, Any], read: Read, examples: int, *, system: str | None = None) -> Iterator[bytes]:
    """The lines of what the recipe makes of a file of so many examples.

    Raises CannotBeMade; CannotBePrepared only where it is not the file that was examined.
    """
    if recipe["kind"] == "prepare":
        return preparing.prepared(recipe, read, system=system)
    if recipe["kind"] == "subset":
        return _chosen(read, splits.in_subset(Subset.of(recipe), examples))
    split, part = Split.of(recipe), Part(recipe["part"])
    is_wanted = part is Part.VALIDATION
    if split.by_answer:
        return _stratified(split, read, is_wanted=is_wanted)
    is_for_validation = splits.for_validation(split, examples)
    return _chosen(read, lambda number: is_for_validation(number) is is_wanted)


def _examples(read: Read) -> Iterator[tuple[int, bytes]]:
    """Lines that are not empty, with their numbers from 1."""
    lines = (line for _, line in numbered(read()) if line and not line.isspace())
    return enumerate(lines, 1)


def _chosen(read: Read, is_chosen: Callable[[int], bool]) -> Iterator[bytes]:
    return (line + b"\n" for number, line in _examples(read) if is_chosen(number))


def _stratified(split: Split, read: Read, *, is_wanted: bool) -> Iterator[bytes]:
    try:
        classes = strata.counted(strata.class_of(line) for _, line in _examples(read))
    except strata.TooManyClasses:
        raise CannotBeMade("too_many_classes") from None
    is_for_validation = strata.for_validation(split, classes)
    for number, line in _examples(read):
        if is_for_validation(number, strata.class_of(line)) is is_wanted:
            yield line + b"\n"
