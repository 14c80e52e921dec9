"""Everything on this machine, with the tour (`make demo`) or without (`make up`); nothing is left behind at the end."""

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import sleep
from typing import Final, NoReturn

import httpx2
from rich.console import Console
from rich.markup import escape

from service.cli.embedded import EmbeddedError, PostgresServer, ValkeyServer
from service.cli.local import PROVIDER_KEY, LocalError, LocalStack, bring_up
from service.cli.tour import StepFailed, Tour
from service.kit.clock import monotonic

_ROOT: Final = Path(__file__).parents[2]
_EXAMPLE: Final = _ROOT / "examples" / "lighthouse.jsonl"
_QUESTION: Final = "Which stair should I watch my step on when I climb up to the lamp?"
_PORTS: Final = (8700, 8701)  # of `up`: the same each time, because its data, a connection among them, stay
_SPEED: Final = 40.0  # virtual seconds of the emulator in a real one: a training of some minutes takes some seconds
_SETTINGS: Final = {"follow_seconds": "0.3", "probe_seconds": "0.3", "dispatch_seconds": "0.1"}


class Interrupted(BaseException):
    """Somebody asked the demo to end."""


def run(file: Path | None, *, leave: bool) -> int:
    """The tour on `file`, or on the lighthouse; returns the exit status. Leaves no process behind, however it ends."""
    console = Console(highlight=False)

    def tour_and_stay(cleanup: ExitStack) -> None:
        began = monotonic()
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tp-demo-")))
        stack, operator_key = _start(console, cleanup, folder)
        tour = Tour(console, stack, operator_key)
        try:
            tour.go(file or _EXAMPLE, question=None if file else _QUESTION)
        except (StepFailed, httpx2.HTTPError):
            _show_errors(console, stack)
            raise
        console.print(f"\n[bold green]Done[/] in {monotonic() - began:.1f} s, starting the servers included.")
        if not leave:
            _wait(console, stack, tour.tell_how_to_go_on)

    return _until_told_to_stop(console, tour_and_stay)


def stay_up() -> int:
    """The same stack on data that stay in `.tuneplane/`, without the tour; returns the exit status."""
    console = Console(highlight=False)

    def stay(cleanup: ExitStack) -> None:
        stack, operator_key = _start(console, cleanup, _ROOT / ".tuneplane", ports=_PORTS)

        def tell() -> None:
            console.print(f"API       {stack.api_url}   (operator key: {operator_key})", soft_wrap=True)
            console.print(f"Emulator  {stack.emulator_url}/v1   (key: {PROVIDER_KEY})")
            console.print(f'\ncurl -H "Authorization: Bearer {operator_key}" {stack.api_url}/v1/me', soft_wrap=True)
            console.print("\nCtrl-C stops everything; the data stay in .tuneplane/.")

        _wait(console, stack, tell)

    return _until_told_to_stop(console, stay)


def _until_told_to_stop(console: Console, do: Callable[[ExitStack], None]) -> int:
    """Do it, take down what it set up, and say how it ended: 0, 1 with the reason, or 128 plus the signal."""
    try:
        with _interruptible(), ExitStack() as cleanup:
            do(cleanup)
    except (StepFailed, LocalError, EmbeddedError, httpx2.HTTPError) as failed:
        console.print(f"\n[bold red]Stopped:[/] {escape(str(failed))}", soft_wrap=True)
        return 1
    except Interrupted as interrupted:
        console.print("\nStopped.")
        return int(interrupted.args[0])
    return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the `with` blocks in order, which stops the servers. A second one changes nothing."""

    def interrupt(number: int, _frame: object) -> NoReturn:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        raise Interrupted(128 + number)

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _start(
    console: Console, cleanup: ExitStack, folder: Path, *, ports: tuple[int, int] | None = None
) -> tuple[LocalStack, str]:
    began = monotonic()
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)  # the servers may run as another user, who must be able to pass
    with console.status("Starting Postgres, Valkey, the emulator, the API, a worker and the dispatcher …"):
        postgres = cleanup.enter_context(PostgresServer(folder / "postgres"))
        valkey = cleanup.enter_context(ValkeyServer(folder / "valkey"))
        stack = cleanup.enter_context(LocalStack(postgres, valkey, folder, settings=_SETTINGS, ports=ports))
        operator_key = bring_up(stack, speed=_SPEED)
    console.print(f"[dim]Started in {monotonic() - began:.1f} s; logs in {folder / 'logs'}[/]")
    return stack, operator_key


def _wait(console: Console, stack: LocalStack, tell: Callable[[], None]) -> None:
    """Say so and wait until interrupted, which is how it is meant to end, or until a process ends by itself."""
    try:
        tell()
        while not (ended := stack.processes.ended()):
            sleep(0.5)
    except Interrupted:
        console.print("\nStopping.")
        return
    raise LocalError(f"{', '.join(ended)} ended by itself")


def _show_errors(console: Console, stack: LocalStack) -> None:
    for name in ("api", "worker", "dispatcher", "emulator"):
        log = stack.processes.log(name)
        warnings = [line for line in log.read_text().splitlines() if '"error"' in line or "Traceback" in line][-3:]
        for line in warnings:
            console.print(f"[dim]{name}: {escape(line[:400])}[/]", soft_wrap=True)
