"""Workers, discarded jobs, unique keys that survive a requeue, and the queue's own indexes."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
additive = True


def exact(length: int) -> sa.String:
    """A string that compares byte for byte, in MySQL too, where only these two collations count trailing spaces."""
    is_mariadb = getattr(op.get_context().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return sa.String(length).with_variant(sa.String(length, collation=collation), "mysql", "mariadb")


def upgrade() -> None:
    op.drop_index("ix_job_claim", table_name="job")
    with op.batch_alter_table("job") as job:
        job.alter_column("state", existing_type=sa.String(8), type_=sa.String(9), existing_nullable=False)
        job.add_column(sa.Column("unique_as", exact(120), nullable=True))
    op.execute("UPDATE job SET unique_as = unique_key")
    op.create_index("ix_job_claim", "job", ["state", "priority", "available_at", "id"])
    op.create_index("ix_job_due", "job", ["state", "available_at"])
    op.create_index("ix_job_finished", "job", ["state", "finished_at"])
    op.create_index("ix_job_project_updated", "job", ["project_id", "updated_at"])
    op.create_table(
        "worker",
        sa.Column("name", exact(100), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_worker"),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )
    op.create_index("ix_worker_heartbeat_at", "worker", ["heartbeat_at"])


def downgrade() -> None:
    op.drop_index("ix_worker_heartbeat_at", table_name="worker")
    op.drop_table("worker")
    for name in ("ix_job_project_updated", "ix_job_finished", "ix_job_due", "ix_job_claim"):
        op.drop_index(name, table_name="job")
    op.execute("DELETE FROM job WHERE state = 'DISCARDED'")
    with op.batch_alter_table("job") as job:
        job.drop_column("unique_as")
        job.alter_column("state", existing_type=sa.String(9), type_=sa.String(8), existing_nullable=False)
    op.create_index("ix_job_claim", "job", ["state", "available_at", "priority"])
