"""More views for people with an SQL tool, and no number of their end for runs that were completed.

A run that is completed comes after all of its stages, which is kept as the largest order there is: nobody's stage has it, and
the views show none. As those of 0007 the views are read-only; the one of sessions is because it groups.
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
additive = True

END = 2**31 - 1
WHO = ("event.user_id", "event.session_id")
REST = ("event.bot", "event.properties")
CLIENT = ("event.device_type", "event.browser", "event.os", "event.language", "event.country")
AGAIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "conversion_funnels": (
        "event.kind = 'funnel'",
        (
            *("text:funnel_name", "text:stage", "order:stage_order"),
            *("number:time_to_stage_seconds", "number:time_in_stage_seconds", "text:source"),
            "CASE WHEN event.event_type = 'funnel_completed' THEN 1 ELSE 0 END AS completed",
            *(*WHO, *REST),
        ),
    ),
    "user_journeys": (
        "event.kind = 'journey'",
        (
            *("text:journey_type", "text:step_name", "order:step_order", "text:previous_step", "text:next_step"),
            *("text:path", "event.duration_ms / 1000 AS time_in_step_seconds"),
            "CASE WHEN event.event_type = 'journey_completed' THEN 1 ELSE 0 END AS completed",
            *(*WHO, *REST),
        ),
    ),
}
"""Views of 0007 that are made anew: which events, and their columns; `text:` and the like are typed fields."""
FRESH: dict[str, tuple[str, tuple[str, ...]]] = {
    "page_views": (
        "event.kind = 'page'",
        (
            *("event.page_url", "event.page_title", "event.referrer", "event.duration_ms"),
            *(*CLIENT, "event.anonymous_id", *WHO, *REST),
        ),
    ),
    "request_logs": (
        "event.kind = 'request'",
        (
            *("text:method", "text:endpoint AS path", "whole:status_code", "event.duration_ms AS response_time_ms"),
            *("text:business_id", "event.success", "text:error_message", *CLIENT, *WHO, *REST),
        ),
    ),
}
SESSIONS = (
    "SELECT project.slug AS project, event.session_id, MIN(event.user_id) AS user_id, {start} AS started_at, {end} AS ended_at, "
    "(MAX(event.occurred_at) - MIN(event.occurred_at)) / 1000000.0 AS duration_seconds, COUNT(*) AS events, "
    "SUM(CASE WHEN event.kind = 'page' THEN 1 ELSE 0 END) AS page_views FROM event "
    "JOIN project ON project.id = event.project_id WHERE event.session_id IS NOT NULL GROUP BY project.slug, event.session_id"
)

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


def _column(column: str, dialect: str, order: str) -> str:
    how, colon, name = column.partition(":")
    if not colon:
        return column
    field, _as, alias = name.partition(" AS ")
    text = TEXT[dialect].format(field)
    cast = {"text": "{0}", "whole": WHOLE[dialect], "number": NUMBER[dialect], "order": order.format(WHOLE[dialect])}[
        how
    ]
    return f"{cast.format(text)} AS {alias or field}"


def _view(name: str, source: tuple[str, tuple[str, ...]], dialect: str, order: str = f"NULLIF({{0}}, {END})") -> str:
    where, columns = source
    shown = [
        "project.slug AS project",
        "event.event_id",
        f"{AT[dialect].format('event.occurred_at')} AS timestamp",
        f"{DAY[dialect].format('event.occurred_at')} AS day",
        f"{AT[dialect].format('event.received_at')} AS received_at",
        *(_column(column, dialect, order) for column in columns),
    ]
    return (
        f"{CREATE[dialect]} {name} AS SELECT {', '.join(shown)} "
        f"FROM event JOIN project ON project.id = event.project_id WHERE {where}"
    )


def _make(view: str) -> None:
    op.execute(sa.text(view.replace(":", r"\:")))  # a colon in it is no parameter


def _dialect() -> str:
    name: str = op.get_context().dialect.name
    return "mysql" if name == "mariadb" else name


def upgrade() -> None:
    dialect = _dialect()
    for name, source in AGAIN.items():
        op.execute(f"DROP VIEW {name}")
        _make(_view(name, source, dialect))
    for name, source in FRESH.items():
        _make(_view(name, source, dialect))
    start, end = (AT[dialect].format(f"{which}(event.occurred_at)") for which in ("MIN", "MAX"))
    _make(f"{CREATE[dialect]} user_sessions AS {SESSIONS.format(start=start, end=end)}")


def downgrade() -> None:
    for name in ("user_sessions", *FRESH):
        op.execute(f"DROP VIEW {name}")
    for name, source in AGAIN.items():
        op.execute(f"DROP VIEW {name}")
        _make(_view(name, source, _dialect(), order="{0}"))
