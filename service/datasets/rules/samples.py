"""Drawing lines for a person to look at: at random, and the same ones for the same seed for ever."""

from collections.abc import Iterator

from service.datasets.rules.splits import beginning, key


def drawn(seed: int, lines: int) -> Iterator[int]:
    """Line numbers from 1 to `lines` in random order, each once; takes time by how many are taken, not by `lines`.

    Whoever takes more with the same seed has those again that they had before. It slows down when most were taken.
    """
    start, taken = beginning(seed), set[int]()
    turn = 0
    while len(taken) < lines:
        turn += 1
        number = 1 + key(start, turn) % lines
        if number not in taken:
            taken.add(number)
            yield number
