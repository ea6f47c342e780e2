"""Where an event comes from: language and screen of the reader, country and region of the address, parameters of a page. What
people keep for questions about visits: goals, segments of people, annotations.
"""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
additive = True

COLUMNS = {"language": 35, "screen": 32, "country": 2, "region": 100, "page_query": 500}
table = partial(op.create_table, mysql_charset="utf8mb4", mariadb_charset="utf8mb4")


def exact(length: int) -> sa.String:
    """A string that compares byte for byte, in MySQL too, where only these two collations count trailing spaces."""
    is_mariadb = getattr(op.get_context().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return sa.String(length).with_variant(sa.String(length, collation=collation), "mysql", "mariadb")


def upgrade() -> None:
    for name, length in COLUMNS.items():
        op.add_column("event", sa.Column(name, sa.String(length), nullable=True))
    table(
        "goal",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("event", sa.String(200), nullable=True),
        sa.Column("page", sa.String(1000), nullable=True),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("value_property", sa.String(200), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_goal_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_goal"),
    )
    op.create_index("ix_goal_project_id", "goal", ["project_id", "id"])
    table(
        "people_segment",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_people_segment_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_people_segment"),
    )
    op.create_index("ix_people_segment_project_id", "people_segment", ["project_id", "id"])
    table(
        "annotation",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_annotation_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_annotation"),
    )
    op.create_index("ix_annotation_project_at", "annotation", ["project_id", "at"])


def downgrade() -> None:
    for name in ("annotation", "people_segment", "goal"):
        op.drop_table(name)
    for name in reversed(COLUMNS):
        op.drop_column("event", name)
