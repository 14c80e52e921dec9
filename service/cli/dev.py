"""`tuneplane dev`: what developers and the Makefile call. Runs in this process or on servers it starts itself."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from alembic.config import Config

app = typer.Typer(no_args_is_help=True, help="Develop Tuneplane: embedded stack, demo, migrations, OpenAPI.")

_ROOT = Path(__file__).parents[2]


@app.command()
def demo(
    *,
    file: Annotated[Path | None, typer.Option(help="Train on this chat JSONL instead of the lighthouse.")] = None,
    leave: Annotated[bool, typer.Option("--exit", help="Stop at the end of the tour instead of staying up.")] = False,
) -> None:
    """Start everything and take a file of conversations all the way to a resolved model."""
    from service.cli.demo import run

    raise typer.Exit(run(file, leave=leave))


@app.command()
def up() -> None:
    """Start everything on this machine and leave it running until Ctrl-C."""
    from service.cli.demo import stay_up

    raise typer.Exit(stay_up())


@app.command()
def openapi(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail when the files are stale.")] = False,
) -> None:
    """Write what is generated from the code: the OpenAPI document, and the pages of errors, problems and states."""
    from service.api.openapi import render, render_errors
    from service.cli.problems import render_problems
    from service.cli.states import render_states

    generated = {
        "openapi/openapi.json": render,
        "openapi/errors.md": render_errors,
        "openapi/dataset-problems.md": render_problems,
        "docs/states.md": render_states,
    }
    stale = []
    for name, make in generated.items():
        file, content = _ROOT / name, make()
        if not file.exists() or file.read_text() != content:
            stale.append(name)
            if not check:
                file.write_text(content)
    if check and stale:
        print(f"stale: {', '.join(stale)}; run `make openapi` and commit what it writes")
        raise typer.Exit(1)
    print(f"written: {', '.join(stale)}" if stale else "what is generated is up to date")


@app.command("check-migrations")
def check_migrations() -> None:
    """Fail when the tables the models describe are not those the migrations make."""
    from alembic import command

    with ExitStack() as cleanup:
        command.check(_on_a_migrated_database(cleanup))


@app.command()
def migration(what: Annotated[str, typer.Argument(help="What it does, in a few words.")]) -> None:
    """Draft a migration from what the models say and the migrations do not make yet."""
    from alembic import command

    with ExitStack() as cleanup:
        command.revision(_on_a_migrated_database(cleanup), message=what, autogenerate=True)


def _on_a_migrated_database(cleanup: ExitStack) -> Config:
    """Alembic's configuration for a fresh embedded database with every migration run."""
    from service.cli.embedded import PostgresServer
    from service.cli.migrate import alembic_config, migrate

    folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tp-migrate-"))
    Path(folder).chmod(0o711)
    server = cleanup.enter_context(PostgresServer(Path(folder) / "pg", durable=False))
    migrate(server.url("postgres"))
    return alembic_config(server.url("postgres"))
