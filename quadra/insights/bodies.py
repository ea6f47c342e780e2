"""What the routes of this room take from a request and put into an answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import request

from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.ingest.tables import Batch
from quadra.insights.questions import Page, Paging
from quadra.insights.tables import Insight
from quadra.jobs.routes import without_paths
from quadra.jobs.tables import Job

LIMIT, LIMIT_MOST, PAGE_MOST = 50, 1_000, 1_000_000


def paging() -> Paging:
    """`?limit&cursor&page`. Raises `Invalid`."""
    return Paging(
        limit=number("limit", LIMIT, LIMIT_MOST),
        cursor=request.args.get("cursor") or None,
        page=number("page", 1, PAGE_MOST),
    )


def number(name: str, default: int, most: int, least: int = 1) -> int:
    given = request.args.get(name, "") or str(default)
    if not (given.isascii() and given.isdigit() and len(given) < 10 and least <= int(given) <= most):
        raise Invalid(f"{name} is out of range.", fields={name: f"a number from {least} to {most}"})
    return int(given)


def one_of(name: str, choices: tuple[str, ...]) -> str | None:
    """A choice, or None where it is left out. Raises `Invalid`."""
    given = request.args.get(name) or None
    if given is not None and given not in choices:
        raise Invalid(f"There is no such {name}.", fields={name: "one of " + ", ".join(choices)})
    return given


def around(page: Page[Any]) -> dict[str, Any]:
    return {"total": page.total, "count": len(page.rows), "cursor": page.cursor}


def insight_body(insight: Insight, slug: str | None = None) -> dict[str, Any]:
    return {
        "id": insight.id,
        "project": slug,
        "batch_id": insight.batch_id,
        "analyst": insight.analyst,
        "summary": insight.summary,
        "confidence": insight.confidence,
        "patterns": insight.patterns,
        "recommendations": insight.recommendations,
        "evidence": insight.evidence,
        "model": insight.model,
        "tokens": insight.tokens,
        "cost_usd": insight.cost_usd,
        "event_count": insight.event_count,
        "time_window": {"from": iso(insight.window_from), "to": iso(insight.window_to)},
        "analysis_time_ms": insight.analysis_ms,
        "created_at": iso(insight.created_at),
    }


def batch_body(batch: Batch, slug: str | None, job: Job | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "batch_id": batch.id,
        "project": slug,
        "status": batch.status,
        "event_count": batch.event_count,
        "created_at": iso(batch.opened_at),
        "sealed_at": iso(batch.sealed_at),
        "analyzed_at": iso(batch.analyzed_at),
        "archived_at": iso(batch.archived_at),
    }
    if job is not None:
        body["analysis_job"] = {
            "job_id": job.id,
            "status": job.state,
            "attempt_count": job.attempt,
            "last_error": without_paths(job.last_error),
        }
    return body


def iso(at: datetime | None) -> str | None:
    return None if at is None else clock.iso(at)
