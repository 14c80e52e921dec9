"""The `tuneplane` command: `admin` runs the platform, `costs` keeps its books, `datasets` checks files.

`dev` and `emulator` help developers.
"""

import os
import sys

import typer


def main() -> None:
    """The command line. An error its user can act on is one sentence and exit code 1, never a traceback."""
    from service.cli import admin, check, costs, dev
    from service.kit.errors import TuneplaneError
    from service.kit.sealing import SealingError

    # No pretty tracebacks: they would print local variables, keys among them.
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="The control plane for fine-tuning.")
    app.add_typer(admin.app, name="admin")
    app.add_typer(costs.app, name="costs")
    app.add_typer(dev.app, name="dev")
    app.add_typer(check.app, name="datasets")
    pass_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("emulator", add_help_option=False, context_settings=pass_on)(_emulator)
    try:
        app()
    except (TuneplaneError, SealingError) as error:
        sys.exit(f"tuneplane: {error}")


def _emulator(context: typer.Context) -> None:
    """Run the stand-in for OpenAI's fine-tuning API; takes the arguments of `python -m emulator`."""
    # In place of this process: signals and the exit code are the emulator's own.
    os.execv(sys.executable, [sys.executable, "-m", "emulator", *context.args])  # noqa: S606 - no shell is wanted
