"""A ledger of five million entries: 200 teams, 10 base models, 24 months, written in SQL as charges write them."""

import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg

from service.cli.embedded import PostgresServer, ValkeyServer
from service.cli.local import PYTHON, LocalStack
from service.cli.migrate import migrate
from service.tenants.rules import assemble_key, keyed_digest

ENTRIES: Final = 5_000_000
LIVE: Final = 100
"""Of these the last: booked since the sums were added up, in twenty minutes at this rate."""
DAYS: Final = ("2024-11-01", "2026-11-01")
TEAM: Final = "team-007"
_SECRET: Final = "b" * 43
FINANCE, VIEWER = (assemble_key("demo", f"benchmark{number}", _SECRET) for number in range(2))

_TEAMS: Final = """
    SET session_replication_role = replica;  -- triggers and foreign keys rest: the rows are as they ask
    INSERT INTO teams (id, slug, name, cost_center, product)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'team-' || lpad(n::text, 3, '0'),
           'Team ' || n, 'CC-' || n / 10, 'product-' || n / 4
    FROM generate_series(0, 199) n;
    INSERT INTO api_keys (id, team_id, key_id, environment, digest, last4, name, role, created_by)
    SELECT id, team_id, key_id, 'demo', decode('{digest}', 'hex'), 'bbbb', key_id, role, 'bench' FROM (VALUES
        ('00000000-0000-7000-8000-000000000000'::uuid, NULL, 'benchmark0', 'finance'),
        ('00000000-0000-7000-8000-000000000001', (SELECT id FROM teams WHERE slug = '{team}'), 'benchmark1', 'viewer')
    ) key (id, team_id, key_id, role);
    INSERT INTO prices (id, provider, model, meter, amount, currency, unit_quantity, effective_from)
    VALUES ('00000000-0000-7000-8000-000000000000', 'openai', 'gpt-bench', 'training_tokens', 5, 'USD', 1000000,
            '2020-01-01');
"""
# Entry after entry through 730 days; one in fifty is accrued.
_ENTRIES: Final = """
    INSERT INTO ledger_entries (
        id, team_id, kind, meter, debit_account, credit_account, amount, currency, charged_at, posted_on, recorded_at,
        ext_ref, price_id, unit_price, unit_quantity, quantity, estimated, accrued, provider, provider_job_id,
        base_model, model, description, team_slug, team_name, cost_center, product)
    SELECT ('00000000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-7000-8000-' || lpad(team::text, 12, '0'))::uuid, 'training', 'training_tokens',
           'team:' || slug || ':training', 'provider:openai', tokens * 0.000005, 'USD', at, at::date, at,
           'charge:openai:ftjob-' || n, '00000000-0000-7000-8000-000000000000', 5, 1000000, tokens, tokens * 0.000006,
           n % 50 = 0, 'openai', 'ftjob-' || n, 'gpt-bench-' || model, 'ft:gpt-bench-' || model || ':acme::' || n,
           'Fine-tuning of gpt-bench-' || model || ' on ' || tokens || ' tokens, openai job ftjob-' || n,
           slug, 'Team ' || team, 'CC-' || team / 10, 'product-' || team / 4
    FROM (SELECT *, 'team-' || lpad(team::text, 3, '0') AS slug
          FROM (SELECT n, (random() * 199)::int AS team, (random() * 9)::int AS model,
                       (random() * 1000000)::int AS tokens,
                       timestamptz '{start}' + n * (interval '730 days' / {entries}) AS at
                FROM generate_series({first}, {last} - 1) n) drawn) entry
"""
_HANDMADE: Final = """
    CREATE TABLE handmade AS
    SELECT team_slug AS team, base_model, to_char(posted_on, 'YYYY-MM') AS month, sum(estimated) AS estimated,
           coalesce(sum(amount) FILTER (WHERE accrued), 0) AS accrued,
           coalesce(sum(amount) FILTER (WHERE NOT accrued), 0) AS settled, 0.0000000000 AS adjusted,
           sum(amount) AS cost, sum(quantity)::bigint AS quantity
    FROM ledger_entries GROUP BY 1, 2, 3;
"""


def platform(cleanup: ExitStack, *, entries: int = ENTRIES) -> LocalStack:
    """A stack whose ledger is full: all but the last of it is in the sums, and all of it in `handmade`."""
    folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="tp-bench-")))
    folder.chmod(0o711)  # Postgres runs as a user of its own when started by root
    postgres = cleanup.enter_context(PostgresServer(folder / "pg", durable=False))
    valkey = cleanup.enter_context(ValkeyServer(folder / "vk", durable=False))
    stack = cleanup.enter_context(LocalStack(postgres, valkey, folder))
    stack.create_database()
    admin_url = stack.environment["TUNEPLANE_ADMIN_DATABASE_URL"]
    migrate(admin_url)
    digest = keyed_digest(stack.environment["TUNEPLANE_KEY_PEPPER"].encode(), _SECRET).hex()
    with psycopg.connect(admin_url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute(_TEAMS.format(digest=digest, team=TEAM))
        told = {"start": DAYS[0], "entries": entries}
        indexes = _without_indexes(connection)
        connection.execute(_ENTRIES.format(first=0, last=entries - LIVE, **told))
        for index in indexes:
            connection.execute(index)
        rebuild: list[str | Path] = [PYTHON, "-m", "service.cli", "costs", "rebuild"]
        subprocess.run(rebuild, env=stack.environment, check=True, capture_output=True)
        connection.execute(_ENTRIES.format(first=entries - LIVE, last=entries, **told))
        connection.execute(_HANDMADE)
        for table in ("ledger_entries", "cost_days", "cost_months", "handmade"):
            connection.execute(f"VACUUM ANALYZE {table}")
    return stack


def _without_indexes(connection: psycopg.Connection) -> list[str]:
    """Drop what only makes reading fast; how to make it again."""
    found = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'ledger_entries' AND indexname LIKE 'ix_%'"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    return [definition for _, definition in found]
