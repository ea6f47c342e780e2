"""What there is to ask about: the project, its events, and their properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.analytics.questions.question import Asks
from quadra.analytics.questions.snapshot import Snapshot, Statement, iso, snapshot
from quadra.analytics.tables import GoalRow, SegmentOfPeople
from quadra.core.api.params import Params, within
from quadra.core.api.raw_params import RawParams
from quadra.core.runtime import Runtime
from quadra.warehouse.query.engine import warehouse_of

NAMED_MOST, PROPERTIES_MOST = 200, 100


class Which(Struct, kw_only=True):
    limit: Annotated[int, within(1, NAMED_MOST, "How many names.")] = 50


WHICH = Params(Which)
ASKS = Asks()


def describe_project(runtime: Runtime, project: Project, given: Mapping[str, Any]) -> dict[str, Any]:
    raw = RawParams.of_body(given)
    raw.refuse_unknown(())
    raw.check()
    with warehouse_of(runtime).look(project.id) as look:
        kinds = look.query(
            "SELECT kind, count(*), min(occurred_us), max(occurred_us) FROM events GROUP BY kind ORDER BY 2 DESC, kind"
        ).rows
    with runtime.database.read() as session:
        goals = session.scalars(sa.select(GoalRow).where(GoalRow.project_id == project.id)).all()
        segments = session.scalars(sa.select(SegmentOfPeople).where(SegmentOfPeople.project_id == project.id)).all()
        return {
            "project": project.slug,
            "name": project.name,
            "timezone": project.timezone,
            "week_start": project.week_start,
            "first_event_at": iso(min((row[2] for row in kinds), default=None)),
            "last_event_at": iso(max((row[3] for row in kinds), default=None)),
            "events_by_kind": {kind: count for kind, count, _first, _last in kinds},
            "goals": [{"id": row.id, "name": row.name, "event": row.event, "page": row.page} for row in goals],
            "segments": [{"id": row.id, "name": row.name} for row in segments],
        }


def list_events(runtime: Runtime, project: Project, given: Mapping[str, Any]) -> dict[str, Any]:
    raw = RawParams.of_body(given)
    raw.refuse_unknown((*WHICH.names, *ASKS.names))
    limit = WHICH.read(raw)["limit"]
    question = ASKS.read(raw, project)
    raw.check()
    if question.where or question.segment:
        wrong = {name: "left out here" for name in ("where", "segment") if getattr(question, name)}
        raw.wrong |= wrong
        raw.check()
    with snapshot(runtime, question, question.range) as events:
        events.look.elsewhere = None  # keys of JSON are asked of the files: no other engine has DuckDB's function
        names = events.rows(
            Statement(
                f"""SELECT name, kind, count(*) AS count FROM events WHERE {question.range.sql}
                GROUP BY ALL ORDER BY count DESC, name, kind LIMIT {int(limit)}""",
                {},
            )
        )
        return {"events": _with_properties(events, question.range.sql, names), **events.measures()}


def _with_properties(events: Snapshot, within: str, names: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = events.rows(
        Statement(
            f"""SELECT name, kind, property, count(*) AS count FROM (
                SELECT name, kind, unnest(json_keys(properties)) AS property FROM events
                WHERE {within} AND name IN (SELECT unnest($names))
            ) GROUP BY name, kind, property QUALIFY row_number() OVER (PARTITION BY name, kind ORDER BY count DESC, property)
                <= {PROPERTIES_MOST} ORDER BY count DESC, property""",
            {"names": [row["name"] for row in names]},
        )
    )
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((row["name"], row["kind"]), []).append(row["property"])
    return [
        {
            "event": row["name"],
            "kind": row["kind"],
            "count": row["count"],
            "properties": found.get((row["name"], row["kind"]), []),
        }
        for row in names
    ]
