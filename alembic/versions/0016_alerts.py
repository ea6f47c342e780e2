"""Alerts: channels, rules, what they found, and each message."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from alembic import op

revision = "0016"
down_revision = "0015"
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
        "alert_channel",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", exact(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("secret", sa.String(200), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_alert_channel_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_channel"),
    )
    op.create_index("ix_alert_channel_project_id", "alert_channel", ["project_id"])
    table(
        "alert",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.Column("quiet_minutes", sa.Integer(), nullable=False),
        sa.Column("muted_until", sa.BigInteger(), nullable=True),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", exact(36), nullable=True),
        sa.Column("pending", sa.JSON(), nullable=False),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_alert_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_index("ix_alert_project_id", "alert", ["project_id"])
    op.create_index("ix_alert_looked_at", "alert", ["looked_at"])
    op.create_index("ix_alert_taken_by", "alert", ["taken_by"])
    table(
        "alert_firing",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("alert_id", exact(36), nullable=False),
        sa.Column("subject", exact(64), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("page", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name="fk_alert_firing_alert_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_firing"),
    )
    op.create_index("ix_alert_firing_alert_at", "alert_firing", ["alert_id", "at"])
    op.create_index("ix_alert_firing_resolved", "alert_firing", ["resolved_at"])
    table(
        "alert_delivery",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("firing_id", exact(36), nullable=False),
        sa.Column("channel_id", exact(36), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("job_id", exact(36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["firing_id"], ["alert_firing.id"], name="fk_alert_delivery_firing_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_delivery"),
        sa.UniqueConstraint("firing_id", "channel_id", "state", name="uq_alert_delivery_firing_id_channel_id_state"),
    )
    op.create_index("ix_alert_delivery_channel_id", "alert_delivery", ["channel_id"])
    op.create_index("ix_alert_delivery_status_at", "alert_delivery", ["status", "at"])


def downgrade() -> None:
    for name in ("alert_delivery", "alert_firing", "alert", "alert_channel"):
        op.drop_table(name)
