"""The doors to batches, insights and the state of the pipeline, described. A new route of this room is described here."""

from __future__ import annotations

from quadra.core.openapi import Answer, Door, Group, Param
from quadra.ingest.tables import BATCH_STATES
from quadra.insights import openapi_shapes as shapes
from quadra.insights.batch_routes import FLUSH_SECONDS, FLUSH_SECONDS_MOST
from quadra.insights.routes import ANALYSTS
from quadra.jobs.openapi import PAGING

BATCH_ID = "019b2f6e-8c2a-7d11-b0a1-5a7d3f0e9b42"
PROJECT = Param(name="project", shape=str, says="Left out: all that you may see.")
ONE_PROJECT = Param(name="project", shape=str, says="Left out: the project of the key that asks, else `default`.")
BATCH = Param(name="batch_id", shape=str, example=BATCH_ID)
INSIGHT = {
    "id": "019b2f6e-9a01-7c33-8f10-2b6f0d1c9e55",
    "project": "shop",
    "batch_id": BATCH_ID,
    "analyst": "local",
    "summary": "4 of 100 events failed, twice as many as usual.",
    "confidence": 0.82,
    "patterns": ["4 % of events failed."],
    "recommendations": ["Look at the errors of /checkout."],
    "evidence": {"failed": 4, "events": 100},
    "model": None,
    "tokens": None,
    "cost_usd": None,
    "event_count": 100,
    "time_window": {"from": "2026-01-31T11:50:00.000Z", "to": "2026-01-31T12:00:00.000Z"},
    "analysis_time_ms": 12.4,
    "created_at": "2026-01-31T12:00:01.000Z",
}

BATCHES = Group(
    title="Batches",
    says=(
        "Events are stored in batches. "
        + " ".join(f"**{state}**: {says}." for state, says in BATCH_STATES.items())
        + " Reading is for viewers, deciding for editors."
    ),
    doors=(
        Door(
            method="GET",
            path="/api/admin/batches",
            title="List batches",
            needs="viewer",
            params=(Param(name="status", shape={"enum": list(BATCH_STATES)}), PROJECT, *PAGING),
            answers={200: Answer(says="Newest first, each with its analysis job.", shape=shapes.BatchPage)},
            refuses=(404,),
        ),
        Door(
            method="GET",
            path="/api/admin/batches/{batch_id}",
            title="One batch, with its insights",
            needs="viewer",
            params=(BATCH,),
            answers={200: Answer(says="The batch.", shape=shapes.BatchWithInsights)},
            refuses=(404,),
        ),
        Door(
            method="POST",
            path="/api/admin/batches/{batch_id}/seal",
            title="Seal a batch now",
            says="409 where it is not open, or has no events.",
            needs="editor",
            params=(BATCH,),
            answers={202: Answer(says="It never changes again; its job waits.", shape=shapes.Sealed)},
            refuses=(404, 409),
        ),
        Door(
            method="POST",
            path="/api/admin/batches/{batch_id}/analyze",
            title="Analyse a batch",
            says="Once more, if need be. 409 where it is not sealed, or a job of any analyst is unfinished.",
            needs="editor",
            params=(BATCH,),
            answers={202: Answer(says="The job waits for a worker.", shape=shapes.Asked)},
            refuses=(404, 409),
        ),
        Door(
            method="POST",
            path="/api/analytics/flush",
            title="Seal all and wait",
            says="Seals the open batches of a project and waits until no batch of it has a job to be done.",
            needs="editor",
            params=(
                Param(
                    name="timeout",
                    shape={"type": "integer", "minimum": 0, "maximum": FLUSH_SECONDS_MOST, "default": FLUSH_SECONDS},
                    says="Seconds to wait at the most.",
                ),
                ONE_PROJECT,
            ),
            answers={
                200: Answer(
                    says="What was sealed, and what is left.",
                    shape=shapes.Flushed,
                    example={
                        "sealed": [BATCH_ID],
                        "done": True,
                        "left": {"jobs": 0, "by_kind": {}},
                        "waited_seconds": 0.4,
                    },
                )
            },
            refuses=(404,),
        ),
    ),
)

INSIGHTS = Group(
    title="Insights",
    says="What the analysts say about sealed batches, and how the pipeline is doing.",
    doors=(
        Door(
            method="GET",
            path="/api/insights",
            title="List insights",
            needs="viewer",
            params=(
                PROJECT,
                Param(name="batch_id", shape=str, says="Only of this batch."),
                Param(name="analyst", shape={"enum": list(ANALYSTS)}),
                *PAGING,
            ),
            answers={
                200: Answer(
                    says="Newest first.",
                    shape=shapes.InsightPage,
                    example={"insights": [INSIGHT], "total": 1, "count": 1, "cursor": None},
                )
            },
            refuses=(404,),
        ),
        Door(
            method="GET",
            path="/api/analytics/stats",
            title="A project's pipeline in one answer",
            needs="viewer",
            params=(ONE_PROJECT,),
            answers={200: Answer(says="Events, batches, insights.", shape=shapes.Stats)},
            refuses=(404,),
        ),
        Door(
            method="GET",
            path="/api/admin/metrics",
            title="The pipeline in numbers",
            says="Of all projects together.",
            needs="viewer",
            answers={200: Answer(says="Jobs, batches, speed, breakers, dead letters.", shape=shapes.Metrics)},
        ),
    ),
)

GROUPS = (BATCHES, INSIGHTS)
