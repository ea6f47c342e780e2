"""Errors that somebody resolved, and views for people with an SQL tool.

The views show what is in the event table: the hot rows. They are read-only: on PostgreSQL because of the join, on MariaDB
because of the algorithm, on SQLite all views are. A later migration that rebuilds `event` or `project` on SQLite (batch
mode) drops the views first and makes them again: SQLite checks them when a table is renamed.
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
additive = True

WHO = ("event.user_id", "event.session_id")
REST = ("event.bot", "event.properties")
VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "user_events": (
        "event.kind IN ('event', 'page', 'identify')",
        (
            *("event.event_type", "event.name AS event_name", "event.category AS event_category"),
            *("event.user_id", "event.anonymous_id", "event.session_id"),
            *("event.page_url", "event.page_title", "event.referrer", "event.device_type", "event.browser", "event.os"),
            *("event.duration_ms", "event.bot", "event.properties"),
        ),
    ),
    "feature_usage": (
        "event.kind = 'feature'",
        (
            *("text:feature_name", "event.category AS feature_category", "text:action"),
            *("event.duration_ms / 1000 AS duration_seconds", "event.success", "text:error_message"),
            *(*WHO, *REST),
        ),
    ),
    "conversion_funnels": (
        "event.kind = 'funnel'",
        (
            *("text:funnel_name", "text:stage", "whole:stage_order"),
            *("number:time_to_stage_seconds", "number:time_in_stage_seconds", "text:source"),
            "CASE WHEN event.event_type = 'funnel_completed' THEN 1 ELSE 0 END AS completed",
            *(*WHO, *REST),
        ),
    ),
    "user_journeys": (
        "event.kind = 'journey'",
        (
            *("text:journey_type", "text:step_name", "whole:step_order", "text:previous_step", "text:next_step"),
            *("text:path", "event.duration_ms / 1000 AS time_in_step_seconds"),
            "CASE WHEN event.event_type = 'journey_completed' THEN 1 ELSE 0 END AS completed",
            *(*WHO, *REST),
        ),
    ),
    "user_satisfaction": (
        "event.kind = 'survey'",
        (
            *("text:survey_type", "event.value AS score", "text:question", "text:response", "text:context"),
            *(*WHO, *REST),
        ),
    ),
    "ai_usage": (
        "event.kind = 'ai'",
        (
            *("text:model", "text:provider", "text:request_type"),
            *("whole:prompt_tokens", "whole:completion_tokens", "whole:total_tokens"),
            *("event.value AS cost_usd", "event.duration_ms AS response_time_ms", "event.success"),
            *("text:error_message", *WHO, *REST),
        ),
    ),
    "api_performance": (
        "event.kind = 'request'",
        (
            *("text:endpoint", "text:method", "whole:status_code", "event.duration_ms AS response_time_ms"),
            *("event.success", "text:error_message", *WHO, *REST),
        ),
    ),
    "errors": (
        "event.kind = 'error'",
        (*("text:error_type", "text:message", "text:severity", "text:endpoint", "text:stack_trace"), *WHO, *REST),
    ),
    "business_metrics": (
        "event.kind = 'metric' AND {business_id} IS NOT NULL",
        (
            *("text:business_id", "text:metric_name", "event.value AS metric_value", "text:unit AS metric_unit"),
            *("event.category", "text:tags", "event.properties"),
        ),
    ),
    "system_metrics": (
        "event.kind = 'metric' AND {business_id} IS NULL",
        (
            *("text:component", "text:metric_name", "event.value AS metric_value", "text:unit AS metric_unit"),
            *("event.category", "text:tags", "event.properties"),
        ),
    ),
}
"""View -> which events, and their columns; `text:`, `whole:` and `number:` are typed fields."""

AT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S', {0} / 1000000, 'unixepoch') || printf('.%06d', {0} % 1000000)",
    "postgresql": "TIMESTAMP '1970-01-01' + {0} * INTERVAL '1 microsecond'",
    "mysql": "TIMESTAMPADD(MICROSECOND, {0}, '1970-01-01')",
}
DAY = {
    "sqlite": "strftime('%Y-%m-%d', {0} / 1000000, 'unixepoch')",
    "postgresql": "CAST(TIMESTAMP '1970-01-01' + {0} * INTERVAL '1 microsecond' AS DATE)",
    "mysql": "DATE(TIMESTAMPADD(MICROSECOND, {0}, '1970-01-01'))",
}
"""Times and days are UTC."""
TEXT = {
    "sqlite": "json_extract(event.fields, '$.{0}')",
    "postgresql": "event.fields ->> '{0}'",
    "mysql": "JSON_UNQUOTE(JSON_EXTRACT(event.fields, '$.{0}'))",
}
WHOLE = {"sqlite": "CAST({0} AS INTEGER)", "postgresql": "CAST({0} AS BIGINT)", "mysql": "CAST({0} AS SIGNED)"}
NUMBER = {"sqlite": "CAST({0} AS REAL)", "postgresql": "CAST({0} AS DOUBLE PRECISION)", "mysql": "CAST({0} AS DOUBLE)"}
CREATE = {
    "sqlite": "CREATE VIEW",
    "postgresql": "CREATE VIEW",
    "mysql": "CREATE ALGORITHM = TEMPTABLE SQL SECURITY INVOKER VIEW",
}


def exact(length: int) -> sa.String:
    """A string that compares byte for byte, in MySQL too, where only these two collations count trailing spaces."""
    is_mariadb = getattr(op.get_context().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
    return sa.String(length).with_variant(sa.String(length, collation=collation), "mysql", "mariadb")


def _column(column: str, dialect: str) -> str:
    how, colon, name = column.partition(":")
    if not colon:
        return column
    field, _as, alias = name.partition(" AS ")
    text = TEXT[dialect].format(field)
    cast = {"text": "{0}", "whole": WHOLE[dialect], "number": NUMBER[dialect]}[how]
    return f"{cast.format(text)} AS {alias or field}"


def _view(name: str, dialect: str) -> str:
    where, columns = VIEWS[name]
    shown = [
        "project.slug AS project",
        "event.event_id",
        f"{AT[dialect].format('event.occurred_at')} AS timestamp",
        f"{DAY[dialect].format('event.occurred_at')} AS day",
        f"{AT[dialect].format('event.received_at')} AS received_at",
        *(_column(column, dialect) for column in columns),
    ]
    condition = where.format(business_id=TEXT[dialect].format("business_id"))
    return (
        f"{CREATE[dialect]} {name} AS SELECT {', '.join(shown)} "
        f"FROM event JOIN project ON project.id = event.project_id WHERE {condition}"
    )


def upgrade() -> None:
    op.create_table(
        "error_resolution",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_id", exact(32), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_error_resolution_project_id"),
        sa.PrimaryKeyConstraint("project_id", "group_id", name="pk_error_resolution"),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )
    dialect = op.get_context().dialect.name
    for name in VIEWS:
        view = _view(name, "mysql" if dialect == "mariadb" else dialect)
        op.execute(sa.text(view.replace(":", r"\:")))  # a colon in it is no parameter


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("error_resolution")
