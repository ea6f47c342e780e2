"""Roles of people in single projects."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    op.create_table(
        "project_role",
        sa.Column("project_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("user_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_project_role_project_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_project_role_user_id"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name="pk_project_role"),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )
    op.create_index("ix_project_role_user_id", "project_role", ["user_id"])


def downgrade() -> None:
    """Whoever has a role in single projects only keeps the word `none`, which opens nothing in a release of before."""
    op.drop_table("project_role")
