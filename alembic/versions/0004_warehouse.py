"""Segments, erasures, and what the warehouse knows of a batch."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
additive = True

table = partial(op.create_table, mysql_charset="utf8mb4", mariadb_charset="utf8mb4")


def exact(length: int) -> sa.String:
    """A string that compares byte for byte, in MySQL too, where only these two collations count trailing spaces."""
    is_mariadb = getattr(op.get_context().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return sa.String(length).with_variant(sa.String(length, collation=collation), "mysql", "mariadb")


def upgrade() -> None:
    table(
        "segment",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("path", exact(200), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", exact(64), nullable=False),
        sa.Column("links", sa.BigInteger(), nullable=False),
        sa.Column("min_occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("max_occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("min_received_at", sa.BigInteger(), nullable=False),
        sa.Column("max_received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_segment_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_segment"),
        sa.UniqueConstraint("path", name="uq_segment_path"),
    )
    op.create_index("ix_segment_project_state_day", "segment", ["project_id", "state", "day"])
    op.create_index("ix_segment_state_retired", "segment", ["state", "retired_at"])
    table(
        "erasure",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("user_id", exact(200), nullable=False),
        sa.Column("ids", sa.JSON(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_erasure_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
    )
    op.create_index("ix_erasure_project_requested", "erasure", ["project_id", "requested_at"])
    op.add_column("batch", sa.Column("cold_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_batch_segment_project", "batch", ["segment_id", "project_id"])
    op.create_index("ix_batch_cold_sealed", "batch", ["cold_at", "sealed_at"])


def downgrade() -> None:
    op.drop_index("ix_batch_cold_sealed", table_name="batch")
    op.drop_index("ix_batch_segment_project", table_name="batch")
    with op.batch_alter_table("batch") as batch:
        batch.drop_column("cold_at")
    op.drop_table("erasure")
    op.drop_table("segment")
