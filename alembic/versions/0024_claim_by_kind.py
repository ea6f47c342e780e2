"""Jobs are claimed kind by kind: what waits of a paused kind is not walked through.

The index keeps its name, which releases before this one give to MariaDB.
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    op.drop_index("ix_job_claim", table_name="job")
    op.create_index("ix_job_claim", "job", ["state", "kind", "priority", "available_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_job_claim", table_name="job")
    op.create_index("ix_job_claim", "job", ["state", "priority", "available_at", "id"])
