"""Entries that were booked before the ledger took more than jobs are explained as fully as those booked since."""

from collections.abc import Iterator
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from psycopg.rows import dict_row

from service.cli.local import LocalStack
from service.cli.migrate import alembic_config

BEFORE = """
    INSERT INTO teams (id, slug, name) VALUES (gen_random_uuid(), 'lighthouse', 'Lighthouse');
    INSERT INTO base_models (provider, id, aliases, methods, format, vision, encoding, example_tokens_max)
        VALUES ('openai', 'm', '{}', '{supervised}', 'chat', false, 'o200k_base', 1);
    INSERT INTO budgets SELECT id, 100 FROM teams;
    INSERT INTO budget_months (team_id, month, limit_amount, spent) SELECT id, '2026-10-01', 100, 28 FROM teams;
"""
ENTRY = """
    WITH price AS (
        INSERT INTO prices (id, provider, model, meter, unit_quantity, amount, currency, effective_from)
        VALUES (gen_random_uuid(), 'openai', 'm', %(meter)s, %(counted)s, 3, 'USD', '2026-01-01') RETURNING id
    ), held AS (
        INSERT INTO reservations (team_id, job_id, team_slug, month, base_model, amount, state)
        SELECT id, gen_random_uuid(), slug, '2026-10-01', 'm', 20, 'settled' FROM teams RETURNING team_id, job_id
    )
    INSERT INTO ledger_entries (
        team_id, id, job_id, kind, debit_account, credit_account, amount, currency, charged_at, budget_month, ext_ref,
        price_id, unit_price, unit_quantity, quantity, base_model, description, team_slug, team_name, accrued)
    SELECT team_id, gen_random_uuid(), job_id, %(kind)s, 'team:lighthouse:training', 'provider:openai', 14, 'USD',
        '2026-10-31 23:30+00', '2026-10-01', %(ref)s, price.id, 3, %(counted)s, 1, 'm', 'Fine-tuning', 'lighthouse',
        'Lighthouse', false
    FROM price, held
"""


@pytest.fixture
def old(database: LocalStack) -> Iterator[str]:
    """A database of its own, as it was before, by its address."""
    name = f"old_{uuid4().hex[:8]}"
    server = database.postgres.url("postgres").replace("+psycopg", "")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        command.upgrade(alembic_config(database.postgres.url(name)), "erasing")
        yield database.postgres.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_what_was_booked_before_is_explained_and_counts_on_its_day(old: str) -> None:
    with psycopg.connect(old.replace("+psycopg", ""), autocommit=True, row_factory=dict_row) as connection:
        connection.execute(BEFORE)
        for kind, meter, counted in (("training", "training_tokens", 1), ("training_time", "training_hours", 3600)):
            facts = {"kind": kind, "meter": meter, "counted": counted, "ref": f"charge:openai:ftjob-{kind}"}
            connection.execute(ENTRY, facts)
        command.upgrade(alembic_config(old), "head")
        entries = connection.execute("SELECT * FROM ledger_entries ORDER BY ext_ref").fetchall()
    assert [(one["kind"], one["meter"], one["provider"], one["provider_job_id"]) for one in entries] == [
        ("training", "training_tokens", "openai", "ftjob-training"),
        ("training", "training_hours", "openai", "ftjob-training_time"),
    ]
    for one in entries:
        assert str(one["posted_on"]) == "2026-10-31"
        assert (one["amount"], one["estimated"]) == (Decimal(14), Decimal(20))
        assert one["recorded_at"] == one["charged_at"]
