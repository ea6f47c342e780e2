"""The field: its state, its readings, its versions and the trainings that made them."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from alembic import op

revision = "0010"
down_revision = "0009"
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
        "field_state",
        sa.Column("project_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("data", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("iterations", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("variance", sa.Double(), nullable=False),
        sa.Column("drift", sa.Double(), nullable=True),
        sa.Column("drift_since", sa.BigInteger(), nullable=True),
        sa.Column("drift_cells", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_field_state_project_id"),
        sa.PrimaryKeyConstraint("project_id", name="pk_field_state"),
    )
    table(
        "field_reading",
        sa.Column("batch_id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("reward", sa.Double(), nullable=False),
        sa.Column("variance", sa.Double(), nullable=False),
        sa.Column("novelty_z", sa.Double(), nullable=False),
        sa.Column("anomalous", sa.Boolean(), nullable=False),
        sa.Column("moved", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_field_reading_project_id"),
        sa.PrimaryKeyConstraint("batch_id", name="pk_field_reading"),
    )
    op.create_index("ix_field_reading_project_at", "field_reading", ["project_id", "at"])
    table(
        "field_version",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("training_id", exact(36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("stem", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("cells", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("decay", sa.Double(), nullable=False),
        sa.Column("iterations", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("window_from", sa.BigInteger(), nullable=False),
        sa.Column("window_to", sa.BigInteger(), nullable=False),
        sa.Column("code_version", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_field_version_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_field_version"),
        sa.UniqueConstraint("project_id", "version", name="uq_field_version_project_id_version"),
    )
    table(
        "training_run",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("job_id", exact(36), nullable=False),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("iteration", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=True),
        sa.Column("variance", sa.Double(), nullable=True),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.Column("checkpoint", TEXT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_training_run_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_training_run"),
    )
    op.create_index("ix_training_run_project_started", "training_run", ["project_id", "started_at"])


def downgrade() -> None:
    for name in ("training_run", "field_version", "field_reading", "field_state"):
        op.drop_table(name)
