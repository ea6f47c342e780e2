"""By which door an event came in, and how many were not stored: duplicates and refusals, by the hour."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
additive = True


def exact(length: int) -> sa.String:
    """A string that compares byte for byte, in MySQL too, where only these two collations count trailing spaces."""
    is_mariadb = getattr(op.get_context().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return sa.String(length).with_variant(sa.String(length, collation=collation), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("event", sa.Column("door", sa.String(16), nullable=True))
    op.create_table(
        "ingest_count",
        sa.Column("project_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("hour", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("door", exact(16), nullable=False),
        sa.Column("outcome", exact(16), nullable=False),
        sa.Column("reason", exact(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_ingest_count_project_id"),
        sa.PrimaryKeyConstraint("project_id", "hour", "door", "outcome", "reason", name="pk_ingest_count"),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def downgrade() -> None:
    op.drop_table("ingest_count")
    op.drop_column("event", "door")
