"""Reports by mail: what is sent, and each mail."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from alembic import op

revision = "0018"
down_revision = "0017"
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
        "report",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("view_id", exact(36), nullable=True),
        sa.Column("page", sa.String(64), nullable=True),
        sa.Column("every", sa.String(8), nullable=False),
        sa.Column("at", sa.String(5), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("last_sent_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_report_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_report"),
    )
    op.create_index("ix_report_project_id", "report", ["project_id"])
    op.create_index("ix_report_next_at", "report", ["next_at"])
    table(
        "report_mail",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("report_id", exact(36), nullable=False),
        sa.Column("channel_id", exact(36), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("job_id", exact(36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name="fk_report_mail_report_id"),
        sa.PrimaryKeyConstraint("id", name="pk_report_mail"),
    )
    op.create_index("ix_report_mail_report_id", "report_mail", ["report_id"])
    op.create_index("ix_report_mail_channel_id", "report_mail", ["channel_id"])
    op.create_index("ix_report_mail_status_at", "report_mail", ["status", "at"])


def downgrade() -> None:
    for name in ("report_mail", "report"):
        op.drop_table(name)
