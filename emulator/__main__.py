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
from emulator.config import Config
from emulator.server import serve
from emulator.tokens import CL100K, O200K, tokenizer


def main(  # noqa: PLR0917 - one parameter per option
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on instead.")] = None,
    port_file: Annotated[Path | None, typer.Option(help="Where to write the port once it accepts connections.")] = None,
    speed: Annotated[float, typer.Option(min=0, help="Virtual seconds per real second; 0 freezes the clock.")] = 60.0,
    log: Annotated[Path | None, typer.Option(help="Append every effect to this file, a line of JSON each.")] = None,
    org: Annotated[str, typer.Option(help="The organisation in model names and headers.")] = "acme",
    key: Annotated[list[str] | None, typer.Option(help="A further key, as sk-…=project; may be repeated.")] = None,
) -> None:
    """A stand-in for OpenAI's fine-tuning API."""
    keys = dict(_key_and_project(given) for given in key or [])

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
        serve(create_app(Config(org, speed, keys, log)), host=host, port=port, uds=uds, ready=ready)
    finally:
        sys.stdout.flush()
        # Not sys.exit: that would wait for studies under way, and nothing they find outlives this process.
        os._exit(0 if sys.exc_info()[0] in (None, SystemExit) else 1)


def _key_and_project(given: str) -> tuple[str, str]:
    key, _, project = given.rpartition("=")
    if not key or not project:
        raise typer.BadParameter(f"'{given}' is not of the form sk-…=project")
    return key, project


def _load_tokenizers() -> None:
    for encoding in (O200K, CL100K):
        tokenizer(encoding)


if __name__ == "__main__":
    typer.run(main)
