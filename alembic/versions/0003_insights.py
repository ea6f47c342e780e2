"""Insights, the hours they count, and the breakers that all processes share."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from alembic import op

revision = "0003"
down_revision = "0002"
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
        "breaker",
        sa.Column("name", exact(64), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("failure_count", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("last_state_change", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("trial_expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_breaker"),
    )
    table(
        "insight",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("batch_id", exact(36), nullable=False),
        sa.Column("analyst", exact(16), nullable=False),
        sa.Column("summary", TEXT, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("patterns", sa.JSON(), nullable=False),
        sa.Column("recommendations", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("digest", sa.JSON(), nullable=True),
        sa.Column("model", sa.String(200), nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Double(), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("window_from", sa.BigInteger(), nullable=True),
        sa.Column("window_to", sa.BigInteger(), nullable=True),
        sa.Column("analysis_ms", sa.Double(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_insight_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_insight"),
        sa.UniqueConstraint("batch_id", "analyst", name="uq_insight_batch_id_analyst"),
    )
    op.create_index("ix_insight_project_analyst_batch", "insight", ["project_id", "analyst", "batch_id"])
    op.create_index("ix_insight_project_created", "insight", ["project_id", "created_at"])
    op.create_index("ix_insight_created", "insight", ["created_at"])
    table(
        "insight_hour",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hour_at", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_insight_hour_project_id"),
        sa.PrimaryKeyConstraint("project_id", "hour_at", name="pk_insight_hour"),
    )


def downgrade() -> None:
    op.drop_table("insight_hour")
    op.drop_table("insight")
    op.drop_table("breaker")
