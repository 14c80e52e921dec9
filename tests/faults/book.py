"""The whole matrix, in the order it is played, and as a page."""

from typing import Final

from tests.faults import api, broker, database, deploy, fairness, mutations, provider, slow, storm, workers
from tests.faults.matrix import ENTRIES, Entry

_CHAPTERS: Final = (workers, mutations, api, broker, database, provider, deploy, fairness, storm, slow)

_HEAD: Final = """# Faults

`make faults` breaks a running Tuneplane in every way below, on real processes, and lets a program of its own judge what
is left (`tests/faults/checker.py`: the database, the emulator's log, what the clients wrote down; nothing of the
service's code). It prints a line for each, takes up to 45 minutes on two cores and ends with `N passed, N failed`.

```sh
make faults ARGS="--only 12,13"            # some of them, by number or name
make faults ARGS="--only 2 --seeds 3"      # with fewer seeds
make faults ARGS="--only 8 --seed 7"       # again with the seed a failure named
```

Seeds choose the place, the moment and the mix; how two processes interleave is the machine's. The points of
[protocol.md](protocol.md) are played with twenty seeds, each as `SIGKILL` and as `SIGSTOP`: in ten seeds every point
meets every fault of creation. Other faults repeat their blow within one seed. `make test` plays every point once.

Each line ends with what the checker counted. It knows I1 to I10 and I12 by name; that no secret is told (I11) is
`tests/tenancy/test_secrets_stay.py`. A mutation takes one safeguard out of the workers and passes only if the checker
then finds two jobs for one of ours.

| | fault | how it is put in | expected | seeds |
| --- | --- | --- | --- | --- |
"""

_TAIL: Final = """
## What this is not

- Times are short: a lease of 3 s, a quiet period of 5 s, standstills of 6 to 10 s where an outage lasts a minute, five
  minutes of Retry-After aged in the rows. They stand in the same relations as the defaults.
- 13: `/readyz` stays 200 without a database, because models still resolve; what is measured is how soon it says `up`.
- 25: that a tuned model was deleted at the provider is not noticed by the registry yet; only the job's part is here.
- 31: the later release is played by its traces in schema and queues, not by a second checkout of the code.
- Numbers that are missing (19 a full disk, 27 webhooks that go out, 30 fights for the last of a budget under kills, 33
  descriptors, 34 a restored backup) are not played.
"""


def in_order() -> list[Entry]:
    """As they are played: chapter by chapter, but those that can share a site one after the other."""
    chapters = [module.__name__ for module in _CHAPTERS]
    entries = sorted(ENTRIES, key=lambda one: chapters.index(one.play.__module__))
    grounds = [one.ground for one in entries]
    return sorted(entries, key=lambda one: grounds.index(one.ground))


def render() -> str:
    """docs/faults.md."""
    rows = sorted(ENTRIES, key=lambda one: int(one.label.split()[1]) if one.label.startswith("fault ") else 100)
    table = "".join(
        f"| {one.label.removeprefix('fault ')} | {one.name} | {one.injection} | {one.expected} | {one.seeds} |\n"
        for one in rows
    )
    return _HEAD + table + _TAIL
