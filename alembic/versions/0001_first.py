"""The log, its batches, jobs, accounts.

Times are BIGINT: microseconds since 1970, UTC.
"""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from alembic import op

revision = "0001"
down_revision = None
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
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=300), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"], unique=False)
    table(
        "event",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", exact(128), nullable=False),
        sa.Column("batch_id", exact(36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", exact(200), nullable=False),
        sa.Column("event_type", exact(200), nullable=False),
        sa.Column("category", sa.String(length=200), nullable=True),
        sa.Column("user_id", exact(200), nullable=True),
        sa.Column("anonymous_id", exact(200), nullable=True),
        sa.Column("session_id", exact(200), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("page_url", TEXT, nullable=True),
        sa.Column("page_title", TEXT, nullable=True),
        sa.Column("referrer", TEXT, nullable=True),
        sa.Column("device_type", sa.String(length=16), nullable=True),
        sa.Column("browser", sa.String(length=64), nullable=True),
        sa.Column("os", sa.String(length=64), nullable=True),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("success", sa.Boolean(), nullable=True),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=True),
        sa.Column("properties", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "event_id", name="pk_event"),
    )
    op.create_index("ix_event_batch_id", "event", ["batch_id"], unique=False)
    table(
        "installation_secret",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_installation_secret"),
    )
    table(
        "job",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("kind", exact(64), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("batch_id", exact(36), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("available_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", exact(36), nullable=True),
        sa.Column("leased_by", exact(100), nullable=True),
        sa.Column("lease_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("trigger", sa.String(length=9), nullable=False),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("error_context", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("unique_key", exact(120), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("unique_key", name="uq_job_unique_key"),
    )
    op.create_index("ix_job_batch_id", "job", ["batch_id"], unique=False)
    op.create_index("ix_job_claim", "job", ["state", "available_at", "priority"], unique=False)
    table(
        "project",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", exact(64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("week_start", sa.String(length=6), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.UniqueConstraint("slug", name="uq_project_slug"),
    )
    table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", exact(254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_login_at", sa.BigInteger(), nullable=True),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("email", name="uq_user_email"),
    )
    table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", exact(16), nullable=False),
        sa.Column("sha256", exact(64), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_api_key_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("sha256", name="uq_api_key_sha256"),
    )
    op.create_index("ix_api_key_project_id", "api_key", ["project_id"], unique=False)
    table(
        "batch",
        sa.Column("id", exact(36), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("writer", exact(100), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=True),
        sa.Column("analyzed_at", sa.BigInteger(), nullable=True),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.Column("segment_id", exact(36), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_batch_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
    )
    op.create_index("ix_batch_project_opened", "batch", ["project_id", "opened_at"], unique=False)
    op.create_index("ix_batch_status_opened", "batch", ["status", "opened_at"], unique=False)


def downgrade() -> None:
    # indexes go with their tables; MariaDB would not let the one of a foreign key go before
    op.drop_table("batch")
    op.drop_table("api_key")
    op.drop_table("user")
    op.drop_table("project")
    op.drop_table("job")
    op.drop_table("installation_secret")
    op.drop_table("event")
    op.drop_table("audit_entry")
