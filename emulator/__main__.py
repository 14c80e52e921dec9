"""`python -m emulator`: the command line."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from emulator.app import create_app
from emulator.clock import moment
from emulator.config import DEFAULT_ORG, DEFAULT_SPEED, Config
from emulator.scenario import BadScenario, Scenario, load
from emulator.server import serve
from emulator.tokens import CL100K, O200K, tokenizer


def main(  # noqa: PLR0917 - one parameter per option
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on instead.")] = None,
    port_file: Annotated[Path | None, typer.Option(help="Where to write the port once it accepts connections.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0, help="Virtual seconds per real second (60); 0 freezes the clock.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Where its clock begins, as 2026-10-01 or 2026-10-01T08:00:00Z (now).")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Append every effect to this file, a line of JSON each.")] = None,
    org: Annotated[str | None, typer.Option(help="The organisation in model names and headers (acme).")] = None,
    key: Annotated[list[str] | None, typer.Option(help="A further key, as sk-…=project; may be repeated.")] = None,
    scenario: Annotated[Path | None, typer.Option(help="A world described in YAML; options go before it.")] = None,
) -> None:
    """A stand-in for OpenAI's fine-tuning API."""
    try:
        described = load(scenario) if scenario else Scenario()
    except BadScenario as bad:
        typer.echo(str(bad), err=True)  # as it is: a box would break paths, which editors and CI follow
        raise typer.Exit(2) from None
    keys = described.keys | dict(_key_and_project(given) for given in key or [])
    config = Config(
        org=org or described.org or DEFAULT_ORG,
        speed=next(one for one in (speed, described.speed, DEFAULT_SPEED) if one is not None),
        start=described.start if start is None else _moment(start),
        keys=keys,
        log=log,
    )

    def ready(real_port: int) -> None:
        where = f"unix:{uds}" if uds else f"http://{host}:{real_port}/v1"
        typer.echo(f"emulator on {where}")
        if port_file:
            # Renamed into place: whoever waits for the file never reads half a number.
            written = port_file.with_name(port_file.name + ".new")
            written.write_text(f"{real_port}\n")
            written.replace(port_file)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    # A study must not keep the event loop from its turn: 5 ms, the default, would be added to every answer meanwhile.
    sys.setswitchinterval(0.0005)
    threading.Thread(target=_load_tokenizers, daemon=True).start()
    try:
        serve(create_app(config, described), host=host, port=port, uds=uds, ready=ready)
    finally:
        sys.stdout.flush()
        # Not sys.exit: that would wait for studies under way, and nothing they find outlives this process.
        os._exit(0 if sys.exc_info()[0] in (None, SystemExit) else 1)


def _key_and_project(given: str) -> tuple[str, str]:
    key, _, project = given.rpartition("=")
    if not key or not project:
        raise typer.BadParameter(f"'{given}' is not of the form sk-…=project")
    return key, project


def _moment(given: str) -> float:
    try:
        return moment(given)
    except ValueError:
        raise typer.BadParameter(f"'{given}' is no day and no instant") from None


def _load_tokenizers() -> None:
    for encoding in (O200K, CL100K):
        tokenizer(encoding)


if __name__ == "__main__":
    typer.run(main)
