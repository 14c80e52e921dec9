"""Datasets are erased, but not while somebody needs them; copies at a provider are remembered when they are gone.

The unique indexes let the bytes of an erased dataset come again. An API of the previous release names the old ones when
it posts a dataset, and answers 500 until it is replaced.
"""

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
from migrations.columns import created_at, instant

revision: str = "erasing"
down_revision: str | None = "storage_limits"

_LIVE = "state <> 'archived'"


def upgrade() -> None:
    """Jobs under way and copies that are there hold their datasets, as if they had always said so."""
    for name in ("erase_requested_at", "erased_at"):
        op.add_column("datasets", instant(name))
    op.drop_constraint("uq_datasets_team_id_parent_id_recipe", "datasets")
    op.drop_index("uq_datasets_team_id_sha256", "datasets")
    op.create_index(
        "uq_datasets_team_id_parent_id_recipe", "datasets", ["team_id", "parent_id", "recipe"], unique=True,
        postgresql_where=sa.text(_LIVE),
    )  # fmt: skip
    op.create_index(
        "uq_datasets_team_id_sha256", "datasets", ["team_id", "sha256"], unique=True,
        postgresql_where=sa.text(f"recipe IS NULL AND {_LIVE}"),
    )  # fmt: skip
    op.execute("GRANT DELETE ON preparations TO tp_team")
    _copies()
    _holds()


def _copies() -> None:
    op.drop_constraint("pk_provider_files", "provider_files")
    op.drop_constraint("uq_provider_files_id", "provider_files")
    op.create_primary_key("pk_provider_files", "provider_files", ["id"])
    op.create_index(
        "uq_provider_files_present", "provider_files", ["team_id", "connection_id", "dataset_id"], unique=True,
        postgresql_where=sa.text("state = 'present'"),
    )  # fmt: skip
    op.create_index("ix_provider_files_dataset_id", "provider_files", ["team_id", "dataset_id"])
    op.add_column("provider_files", instant("removed_at"))
    op.execute("REVOKE DELETE ON provider_files FROM tp_team")


def _holds() -> None:
    op.create_table(
        "dataset_holds",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint("team_id", "holder", "dataset_id", name="pk_dataset_holds"),
        sa.ForeignKeyConstraint(
            ["team_id", "dataset_id"], ["datasets.team_id", "datasets.id"], name="fk_dataset_holds_team_id_dataset_id"
        ),
    )
    op.create_index("ix_dataset_holds_dataset_id", "dataset_holds", ["team_id", "dataset_id"])
    tenancy.protect(
        "dataset_holds", {"tp_team": "SELECT, INSERT, DELETE", "tp_worker": "SELECT"}, across_teams=["tp_worker"]
    )
    op.execute(
        "INSERT INTO dataset_holds (team_id, holder, dataset_id)"
        " SELECT team_id, 'job:' || jobs.id, used.id"
        " FROM jobs, unnest(ARRAY[dataset_id, validation_dataset_id]) AS used (id)"
        " WHERE used.id IS NOT NULL AND state NOT IN ('succeeded', 'failed', 'cancelled') ON CONFLICT DO NOTHING"
    )
    op.execute(
        "INSERT INTO dataset_holds (team_id, holder, dataset_id)"
        " SELECT team_id, 'copy:' || id, dataset_id FROM provider_files"
    )
