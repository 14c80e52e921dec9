"""Bring a database to the newest schema, from wherever the process was started."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_ROOT = Path(__file__).parents[2]  # a checkout, or /app in the image: migrations/ lies beside the package


def alembic_config(admin_url: str) -> Config:
    """Alembic's configuration for the database of this login, which must be able to make roles and tables."""
    config = Config(_ROOT / "alembic.ini")
    config.set_main_option("script_location", str(_ROOT / "migrations"))
    config.set_main_option("prepend_sys_path", str(_ROOT))  # migrations import their helpers from there
    config.attributes["admin_url"] = admin_url
    return config


def migrate(admin_url: str) -> None:
    """Run what has not run yet."""
    command.upgrade(alembic_config(admin_url), "head")
