"""`tuneplane admin`: what an operator does beside the API: migrate, make the first key, keep the platform's own keys.

What a script wants, a new key, goes to stdout alone; what a person reads goes to stderr.
"""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import psycopg
import typer
from psycopg import sql
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session

from service import catalog, connections, jobs, tenants
from service.kit import clock
from service.kit.db import unit_of_work
from service.kit.identity import CLI, WORKER
from service.kit.ids import read, show
from service.kit.settings import settings

app = typer.Typer(no_args_is_help=True, help="Run the platform: migrations, the first key, the platform's own keys.")
tell: Final = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

_LOGIN: Final = "tp_app"  # made by the first migration


class PlatformRole(StrEnum):
    """Roles whose keys belong to no team."""

    OPERATOR = "operator"
    FINANCE = "finance"


KeyFile = Annotated[
    Path | None, typer.Option("--api-key-file", exists=True, dir_okay=False, help="File that holds the provider's key.")
]
# Hidden because others on the machine can read a process' arguments: meant for the variable.
KeyValue = Annotated[str | None, typer.Option("--api-key", envvar="TUNEPLANE_PROVIDER_API_KEY", hidden=True)]


@app.command()
def migrate() -> None:
    """Bring the database up to date: schema, the login's password, base models, prices. Safe to repeat and to race."""
    from service.cli.migrate import migrate as upgrade

    url = settings().admin_database_url
    if url is None:
        raise typer.BadParameter("TUNEPLANE_ADMIN_DATABASE_URL is not set: it takes a login that may create roles.")
    admin_url = url.get_secret_value()
    plain = make_url(admin_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        # A session's lock: it ends with this connection, also when this process is killed.
        connection.execute("SELECT pg_advisory_lock(hashtextextended('tuneplane migrate', 0))")
        upgrade(admin_url)
        _set_login_password(connection)
        with unit_of_work(CLI, seconds=settings().worker_unit_seconds) as session:
            catalog.load_seed(session)
    tell.print("The database is up to date.")


@app.command()
def bootstrap(
    *,
    connection_name: Annotated[str, typer.Option(help="Name of the default connection.")] = "default",
    kind: Annotated[connections.Kind, typer.Option(help="How to speak to the account.")] = connections.Kind.OPENAI,
    base_url: Annotated[str, typer.Option(help="Where the account answers.")] = "https://api.openai.com/v1",
    provider: Annotated[str, typer.Option(help="Whose models and prices these are, by the catalog's name.")] = "openai",
    api_key_file: KeyFile = None,
    api_key: KeyValue = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make an operator's key although there is one.")] = False,
) -> None:
    """Make the default connection and the first operator's key, and print that key once. What exists is left alone."""
    with unit_of_work(CLI) as session:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("tuneplane bootstrap", 0))))
        connection = connections.default(session)
        if connection:
            tell.print(f"The default connection exists: {connection.name} ({show('conn', connection.id)}).")
        else:
            connection = connections.create(
                session,
                CLI,
                name=connection_name,
                kind=kind,
                provider=provider,
                base_url=base_url,
                api_key=_provider_key(api_key_file, api_key),
                is_default=True,
            )
            tell.print(f"Made the default connection {connection.name} ({show('conn', connection.id)}).")
        if tenants.has_operator(session, clock.now()) and not new_key:
            tell.print("An operator's key exists. --new-key makes another one.")
            return
        key = _make_key(session, PlatformRole.OPERATOR, "bootstrap", expires_in_days=None)
    typer.echo(key)


@app.command()
def create_key(
    *,
    role: Annotated[PlatformRole, typer.Option(help="Whose key it is.")],
    name: Annotated[str, typer.Option(help="What the key is for.")],
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="When it stops working; never if absent.")
    ] = None,
) -> None:
    """Make a key of an operator or of finance and print it, this once."""
    with unit_of_work(CLI) as session:
        key = _make_key(session, role, name, expires_in_days=expires_in_days)
    typer.echo(key)


@app.command()
def revoke_key(
    key: Annotated[str, typer.Argument(help="Id of the key (key_…).")],
    team: Annotated[str | None, typer.Option(help="Slug or id of its team; none for operators and finance.")] = None,
) -> None:
    """End a key at once and for ever."""
    with unit_of_work(CLI) as session:
        team_id = tenants.find_team(session, team).id if team else None
        revoked = tenants.revoke_key(session, CLI, read("key", key), team_id=team_id, at=clock.now())
    tell.print(
        f"{revoked.id} ({revoked.role}, {revoked.name}) is revoked since {revoked.revoked_at:%Y-%m-%d %H:%M} UTC."
    )


@app.command()
def replace_provider_key(
    *,
    connection_name: Annotated[str, typer.Option(help="Name of the connection.")] = "default",
    api_key_file: KeyFile = None,
    api_key: KeyValue = None,
) -> None:
    """Seal another key for a provider's account, the old one being expired or exposed. Jobs that waited are tried."""
    with unit_of_work(CLI) as session:
        connections.replace_key(session, CLI, connection_name, _provider_key(api_key_file, api_key))
        account = connections.show_connection(session, connection_name)
    _wake_jobs(account)
    tell.print(f"The connection {connection_name} has a new key.")


@app.command()
def list_connections() -> None:
    """The provider accounts and how they are doing."""
    with unit_of_work(CLI) as session:
        accounts = connections.list_connections(session, after=None, limit=1000).data
    for one in accounts:
        troubles = [f"paused: {one.paused.reason}"] if one.paused else []
        troubles += [f"{circuit.use}: {circuit.reason}" for circuit in one.circuits]
        state = "archived" if one.archived_at else "; ".join(troubles) or "well"
        typer.echo(f"{one.id}\t{one.name}\t{one.base_url}\t{state}")


@app.command()
def pause_connection(
    connection: Annotated[str, typer.Argument(help="Id or name of the connection.")],
    *,
    reason: Annotated[str, typer.Option(help="Told to the teams whose jobs wait.")],
) -> None:
    """Let nothing new go to a provider account. Jobs that are there already are followed on."""
    with unit_of_work(CLI) as session:
        connections.pause(session, CLI, connection, reason)
    tell.print(f"{connection} is paused. `resume-connection` ends that.")


@app.command()
def resume_connection(connection: Annotated[str, typer.Argument(help="Id or name of the connection.")]) -> None:
    """End the pause of a provider account and try again whatever did not work. Jobs that waited are tried."""
    with unit_of_work(CLI) as session:
        connections.resume(session, CLI, connection)
        account = connections.show_connection(session, connection)
    _wake_jobs(account)
    tell.print(f"{connection} is used again.")


def _wake_jobs(account: connections.ConnectionView) -> None:
    """After the commit, and in a unit of its own: only workers may touch the jobs of all teams."""
    with unit_of_work(WORKER) as session:
        jobs.wake_all(session, read("conn", account.id))


def _make_key(session: Session, role: PlatformRole, name: str, *, expires_in_days: int | None) -> str:
    at = clock.now()
    made, plaintext = tenants.create_key(
        session,
        CLI,
        team_id=None,
        role=tenants.Role(role),
        name=name,
        at=at,
        expires_at=at + timedelta(days=expires_in_days) if expires_in_days else None,
    )
    tell.print(f"Made a key of the role {role.value}, {made.id}. Store it now: it cannot be shown again.")
    return plaintext


def _provider_key(file: Path | None, value: str | None) -> SecretStr:
    key = (file.read_text() if file else value or "").strip()
    if not key:
        raise typer.BadParameter(
            "The provider's key is missing: give --api-key-file or set TUNEPLANE_PROVIDER_API_KEY."
        )
    return SecretStr(key)


def _set_login_password(connection: psycopg.Connection[Any]) -> None:
    """Give the login the password the service will use. Only its SCRAM verifier travels, so no server log shows it."""
    password = make_url(settings().database_url.get_secret_value()).password
    if password is None:
        return
    verifier = connection.pgconn.encrypt_password(password.encode(), _LOGIN.encode(), b"scram-sha-256")
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
        sql.Identifier(_LOGIN), sql.Literal(verifier.decode())
    )
    connection.execute(statement)
