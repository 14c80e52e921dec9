"""Alembic's environment: as the administrator, a transaction a migration, no lock waited for beyond two seconds."""

import time

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from service.kit.settings import settings
from service.tables import metadata

_TRIES = 10


def run() -> None:
    """Migrate the database of the caller's login, else of `admin_database_url`."""
    configured = settings().admin_database_url
    url = context.config.attributes.get("admin_url") or (configured and configured.get_secret_value())
    if not url:
        raise SystemExit(
            "TUNEPLANE_ADMIN_DATABASE_URL is not set: migrations need a login that may create roles and tables."
        )
    engine = create_engine(url)
    for attempt in range(1, _TRIES + 1):
        try:
            with engine.connect() as connection:
                connection.execute(text("SET lock_timeout = '2s'"))
                connection.commit()
                context.configure(
                    connection=connection,
                    target_metadata=metadata,
                    transaction_per_migration=True,
                    compare_server_default=True,
                )
                with context.begin_transaction():
                    context.run_migrations()
        except OperationalError as error:  # a long lock in the way: step back and try again
            if attempt == _TRIES or getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            time.sleep(attempt)
        else:
            break
    engine.dispose()


run()
