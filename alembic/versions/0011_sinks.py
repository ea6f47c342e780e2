"""Sinks: what each was given, what it waits for, what it refused."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
additive = True

TEXT = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")
table = partial(op.create_table, mysql_charset="utf8mb4", mariadb_charset="utf8mb4")


def exact(length: int) -> sa.String:
    """A string that compares byte for byte, in MySQL too, where only these two collations count trailing spaces."""
    is_mariadb = getattr(op.get_context().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return sa.String(length).with_variant(sa.String(length, collation=collation), "mysql", "mariadb")


def upgrade() -> None:
    table(
        "sink",
        sa.Column("name", exact(32), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("last_error_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_sink"),
    )
    table(
        "sink_batch",
        sa.Column("sink", exact(32), nullable=False),
        sa.Column("batch_id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.Column("waits_since", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_sink_batch_project_id"),
        sa.PrimaryKeyConstraint("sink", "batch_id", name="pk_sink_batch"),
    )
    op.create_index("ix_sink_batch_queue", "sink_batch", ["sink", "delivered_at", "project_id", "batch_id"])
    op.create_index("ix_sink_batch_sealed", "sink_batch", ["sink", "sealed_at"])
    table(
        "sink_progress",
        sa.Column("sink", exact(32), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("delivered_events", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_sink_progress_project_id"),
        sa.PrimaryKeyConstraint("sink", "project_id", name="pk_sink_progress"),
    )
    table(
        "sink_quarantine",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("sink", exact(32), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("event_id", exact(128), nullable=False),
        sa.Column("batch_id", exact(36), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_sink_quarantine_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sink_quarantine"),
        sa.UniqueConstraint("sink", "project_id", "event_id", name="uq_sink_quarantine_sink_project_id_event_id"),
    )
    op.create_index("ix_sink_quarantine_sink_at", "sink_quarantine", ["sink", "at"])


def downgrade() -> None:
    for name in ("sink_quarantine", "sink_progress", "sink_batch", "sink"):
        op.drop_table(name)
