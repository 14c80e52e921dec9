"""Where to find what a report speaks of: lines in the file, problems in what is stored beside it."""

from collections.abc import Iterable, Iterator

from service.datasets.rules.partial import MARK_BYTES, Partial


class Whereabouts:
    """Takes notes while the segments of a file pass by, in their order.

    `marks` are [byte, number of the first line that starts there or later], about one a MiB, so that reading a line
    takes no more of the file than that. `problem_parts` are [name, lines before] of the objects with all problems; the
    lines in each are counted from that.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.marks: list[list[int]] = []
        self.problem_parts: list[list[str | int]] = []

    def passing(self, found: Iterable[tuple[int, Partial]]) -> Iterator[Partial]:
        """What was found in each segment, which starts at that byte."""
        for start, partial in found:
            marks = enumerate(partial.marks)
            self.marks += [[start + place * MARK_BYTES, self.lines + line] for place, line in marks]
            self.lines += partial.lines
            yield partial
