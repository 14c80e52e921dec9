"""${message}

Say here why a running previous release survives this: columns it does not know must be nullable or have a default.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations import tenancy
${imports if imports else ""}
revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    """Expand only; what the previous release still reads or writes stays."""
    ${upgrades if upgrades else "pass"}
