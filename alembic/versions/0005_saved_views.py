"""Saved views and their share links."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
additive = True


def exact(length: int) -> sa.String:
    """A string that compares byte for byte, in MySQL too, where only these two collations count trailing spaces."""
    is_mariadb = getattr(op.get_context().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return sa.String(length).with_variant(sa.String(length, collation=collation), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "saved_view",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("page", sa.String(64), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("questions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.Column("share_sha256", exact(64), nullable=True),
        sa.Column("shared_at", sa.BigInteger(), nullable=True),
        sa.Column("shared_by", sa.String(300), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_saved_view_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_view"),
        sa.UniqueConstraint("share_sha256", name="uq_saved_view_share_sha256"),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )
    op.create_index("ix_saved_view_project_id", "saved_view", ["project_id", "id"])


def downgrade() -> None:
    op.drop_table("saved_view")
