"""`tuneplane dev`: what developers and the Makefile call. Runs in this process or on servers it starts itself."""

import typer

app = typer.Typer(no_args_is_help=True, help="Develop Tuneplane: embedded stack, demo, migrations, OpenAPI.")


@app.callback()
def _dev() -> None:
    """Commands for developers."""
