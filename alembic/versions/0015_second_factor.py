"""Sessions as their owners see them, second factors and recovery codes."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from alembic import op

revision = "0015"
down_revision = "0014"
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
        "user_session",
        sa.Column("id", exact(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_user_session_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_user_session"),
    )
    op.create_index("ix_user_session_user_id", "user_session", ["user_id"])
    table(
        "second_factor",
        sa.Column("user_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("secret", sa.String(300), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_second_factor_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_second_factor"),
    )
    table(
        "recovery_code",
        sa.Column("sha256", exact(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_recovery_code_user_id"),
        sa.PrimaryKeyConstraint("sha256", name="pk_recovery_code"),
    )
    op.create_index("ix_recovery_code_user_id", "recovery_code", ["user_id"])


def downgrade() -> None:
    for name in ("recovery_code", "second_factor", "user_session"):
        op.drop_table(name)
