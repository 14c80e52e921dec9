"""Bring a database to the newest schema, from wherever the process was started."""

from pathlib import Path

from alembic import command
from alembic.config import Config

# Beside the package in a checkout; in the working directory (/app in the container) where the package is installed.
_PLACES = (Path(__file__).parents[2], Path.cwd())


def alembic_config(admin_url: str) -> Config:
    """Alembic's configuration for the database of this login, which must be able to make roles and tables."""
    root = next((place for place in _PLACES if (place / "alembic.ini").exists()), _PLACES[0])
    config = Config(root / "alembic.ini")
    config.set_main_option("script_location", str(root / "migrations"))
    config.set_main_option("prepend_sys_path", str(root))  # migrations import their helpers from there
    config.attributes["admin_url"] = admin_url
    return config


def migrate(admin_url: str) -> None:
    """Run what has not run yet."""
    command.upgrade(alembic_config(admin_url), "head")
