"""The signals of projects, minute by minute. An insight may be of minutes instead of a batch, and say when it last changed."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from alembic import op

revision = "0013"
down_revision = "0012"
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
        "signal_progress",
        sa.Column("project_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.Column("going", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_signal_progress_project_id"),
        sa.PrimaryKeyConstraint("project_id", name="pk_signal_progress"),
    )
    table(
        "signal_state",
        sa.Column("project_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("name", exact(64), nullable=False),
        sa.Column("data", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_signal_state_project_id"),
        sa.PrimaryKeyConstraint("project_id", "name", name="pk_signal_state"),
    )
    table(
        "signal_minute",
        sa.Column("project_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("minute_at", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("readings", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_signal_minute_project_id"),
        sa.PrimaryKeyConstraint("project_id", "minute_at", name="pk_signal_minute"),
    )
    with op.batch_alter_table("insight") as insight:
        insight.alter_column("batch_id", existing_type=exact(36), nullable=True)
        insight.add_column(sa.Column("updated_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_insight_project_updated", "insight", ["project_id", "updated_at"])


def downgrade() -> None:
    op.drop_index("ix_insight_project_updated", "insight")
    op.execute(sa.text("DELETE FROM insight WHERE batch_id IS NULL"))
    with op.batch_alter_table("insight") as insight:
        insight.drop_column("updated_at")
        insight.alter_column("batch_id", existing_type=exact(36), nullable=False)
    for name in ("signal_minute", "signal_state", "signal_progress"):
        op.drop_table(name)
