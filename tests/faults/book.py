"""The whole matrix, in the order it is played, and as a page."""

from typing import Final

from tests.faults import api, broker, database, deploy, fairness, mutations, provider, slow, storm, workers
from tests.faults.matrix import ENTRIES, Entry

# Imported in the order in which they register their faults.
_MODULES: Final = (workers, broker, database, api, provider, deploy, fairness, storm, mutations, slow)

_HEAD: Final = """# Faults

`make faults` breaks a running Tuneplane in every way below, on real processes, and lets a program of its own judge what
is left (`tests/faults/checker.py`: the database, the emulator's log, what the clients wrote down; nothing of the
service's code). It prints a line for each, takes up to 45 minutes on two cores and ends with `N passed, N failed`.

```sh
make faults ARGS="--only 12,13"            # some of them, by number or name
make faults ARGS="--only 2 --seeds 3"      # with fewer seeds
make faults ARGS="--only 8 --seed 7"       # again with the seed a failure named
```

Seeds choose the place, the moment and the mix; how two processes interleave is the machine's. Times are short (a lease
of 3 s, a quiet period of 5 s) and stand in the same relations as the defaults. Numbers are those of the list the matrix
was drawn from; what is missing in it (a full disk, webhooks that go out, descriptors, a restored backup, fights for the
last of a budget under kills) belongs to other suites or is not built yet.

| | fault | how it is put in | expected | seeds |
| --- | --- | --- | --- | --- |
"""


def in_order() -> list[Entry]:
    """As they are played: those that can share a site one after the other."""
    grounds = [one.ground for one in ENTRIES]
    return sorted(ENTRIES, key=lambda one: grounds.index(one.ground))


def render() -> str:
    """docs/faults.md."""
    rows = sorted(ENTRIES, key=lambda one: int(one.label.split()[1]) if one.label.startswith("fault ") else 100)
    return _HEAD + "".join(
        f"| {one.label.removeprefix('fault ')} | {one.name} | {one.injection} | {one.expected} | {one.seeds} |\n"
        for one in rows
    )
