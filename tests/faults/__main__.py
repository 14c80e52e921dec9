"""Play the matrix of faults: `make faults`, or `make faults ARGS="--only 12,13 --seeds 3"`.

One line for each fault as it ends, and at the end how many passed and how many failed. A fault that fails names its
seed; `--only` with that number and `--seed` with that seed plays the same choices again.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from service.cli.embedded import PostgresServer
from tests.conftest import _TEMPLATE, _make_template
from tests.faults.book import in_order, render
from tests.faults.matrix import Draw, Entry
from tests.faults.site import Broken, Ground, Site

MINUTES_MAX = 44  # and one for ending what then runs


class OutOfTime(BaseException):
    """The whole run has had its time: nothing that handles errors may handle this."""


def main() -> int:
    asked = _arguments()
    if asked.table:
        print(render(), end="")
        return 0
    chosen = [one for one in in_order() if not asked.only or one.label.split()[-1] in asked.only.split(",")]
    if not chosen:
        sys.exit(f"none of {asked.only} is a fault; there are {', '.join(one.label for one in in_order())}")
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(asked.minutes * 60)
    folder = Path(tempfile.mkdtemp(prefix="tp-faults-"))
    folder.chmod(0o711)  # root's servers run as somebody else
    failed = 0
    try:
        with ExitStack() as cleanup:
            postgres = cleanup.enter_context(PostgresServer(folder / "pg", durable=False, max_connections=200))
            _make_template(postgres, folder)
            failed = Run(Ground(postgres, folder, _TEMPLATE), asked.seeds, asked.seed).play(chosen)
    finally:
        if failed:
            print(f"logs and histories are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="numbers or names, parted by commas: 2,12,no_lock")
    parser.add_argument("--seeds", type=int, help="how many seeds each, instead of each fault's own number")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=int, default=MINUTES_MAX, help="what has not ended by then has failed")
    parser.add_argument("--table", action="store_true", help="print docs/faults.md and play nothing")
    return parser.parse_args()


def _out_of_time(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime


class Run:
    """Plays entries one after the other, on one site as long as they share its ground and nothing has failed on it."""

    def __init__(self, ground: Ground, seeds: int | None, first_seed: int) -> None:
        self.ground, self.seeds, self.first_seed = ground, seeds, first_seed
        self._cleanup = ExitStack()
        self._site: Site | None = None
        self._of: Entry | None = None

    def play(self, entries: Sequence[Entry]) -> int:
        """How many failed."""
        failed = 0
        try:
            for number, entry in enumerate(entries):
                try:
                    failed += not self._play_one(entry)
                except OutOfTime:
                    for late in entries[number:]:
                        print(f"{late.label} · {late.name} · FAILED · the run's time was over", flush=True)
                    return failed + len(entries) - number
        finally:
            self._leave()
        return failed

    def _play_one(self, entry: Entry) -> bool:
        began = time.monotonic()
        seed, told = self.first_seed, ""
        try:
            seeds = range(self.first_seed, self.first_seed + (self.seeds or entry.seeds))
            for turn in [seeds] if entry.together else [[one] for one in seeds]:
                seed = turn[0]
                told = self._once(entry, turn)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the next fault is played
            site = self._site.folder if self._site else "no site"
            print(f"{entry.label} · {entry.name} · FAILED · {_since(began)} · seed {seed} · in {site}", flush=True)
            print(_indented(str(error) if isinstance(error, Broken) else traceback.format_exc()), flush=True)
            self._leave()
            return False
        word = "turned red as it must" if entry.must_break else "passed"
        print(f"{entry.label} · {entry.name} · {word} · {_since(began)} · {told}", flush=True)
        return True

    def _once(self, entry: Entry, seeds: Sequence[int]) -> str:
        site = self._site_for(entry)
        told = entry.play(site, Draw(entry.label, seeds))
        if not entry.must_break:
            if "--unfinished" not in entry.check:
                site.settle()
            return f"{told}; {site.check(*entry.check)}"
        try:
            site.check(*entry.check)
        except Broken as broken:
            if entry.must_break not in broken.invariants:
                raise
            return f"{told}; broken: {', '.join(sorted(broken.invariants))}"
        raise AssertionError("the checker found nothing wrong with a mutated worker")

    def _site_for(self, entry: Entry) -> Site:
        if self._site is None or self._of is None or self._of.ground != entry.ground:
            self._leave()
            self._site = Site(self.ground, self._cleanup, settings=entry.settings, proxied=entry.proxied)
            self._site.start(speed=entry.speed, **entry.start)
        self._of = entry
        return self._site

    def _leave(self) -> None:
        self._site = None
        self._cleanup.close()


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())


if __name__ == "__main__":
    sys.exit(main())
