"""The job kinds of insights. `analyse` gives every sealed batch its local insight; `analyse_llm` is a job of its own, so
that an LLM which hangs, fails or talks nonsense can neither hide nor repeat the local one.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.projects import DEMO, OWN
from quadra.accounts.setup import installation_secret
from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.runtime import Runtime
from quadra.ingest.tables import Batch
from quadra.insights import llm, reading
from quadra.insights.briefing import briefing, redacted
from quadra.insights.digest import Model, dump
from quadra.insights.history import BatchContext
from quadra.insights.llm import JunkAnswer
from quadra.insights.local import Analysis, analyse
from quadra.insights.metrics import clients_asked, insights_total
from quadra.insights.reading import Past
from quadra.insights.store import count_hours, find_insight, mark_analyzed, save_insight, save_local
from quadra.jobs.errors import Permanent
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease, succeed_together
from quadra.jobs.queue import enqueue
from quadra.jobs.states import UNFINISHED, Trigger
from quadra.jobs.tables import Job
from quadra.warehouse.segments.sealed import SealedRows, sealed_batches

logger = logging.getLogger(__name__)

ANALYSE, ANALYSE_LLM = "analyse", "analyse_llm"
ANALYSTS = (ANALYSE, ANALYSE_LLM)
"""The kinds that write an insight of a batch."""
JUNK_ATTEMPTS = 3
"""Each one costs money; what is junk three times will be a fourth time."""
LLM_WAITING = 1_000
"""LLM jobs that may wait. Beyond them batches keep to their local insight: after a long outage nobody wants to pay for
last week, and a flood of events must not become a flood of calls."""
LLM_SECRET = "llm_redaction"
HISTORY = timedelta(days=1)
"""A batch whose newest event occurred this long before it was opened came from a file: old costs are no alert of today."""


class Analysed(NamedTuple):
    """A batch with what is stored of it."""

    batch: Batch
    context: BatchContext
    analysis: Analysis
    calls: dict[str, Model]
    trigger: Trigger


def analyse_batch(runtime: Runtime, lease: Lease) -> None:
    """Write the local insight of a batch; the batch is ANALYZED from then on."""
    analyse_batches(runtime, [lease])


def analyse_batches(runtime: Runtime, leases: Sequence[Lease]) -> None:
    """That of each, in the order of their making."""
    began = time.monotonic()
    with runtime.database.snapshot() as session:
        analysed = _read_and_analyse(session, runtime.the(SealedRows), leases)
    share_ms = _ms(began) / len(leases)
    with runtime.database.begin() as session:
        succeed_together(session, leases)
        fresh = save_local(session, [(one.batch, _values(one, share_ms)) for one in analysed])
        mark_analyzed(session, [one.batch.id for one in analysed])
        for project_id, mine in groupby(analysed, key=lambda one: one.batch.project_id):
            hours: Counter[int] = Counter()
            for one in mine:
                if one.batch.id in fresh:
                    hours.update(reading.hours_of(one.context.seen, one.batch))
            count_hours(session, project_id, hours)
        for one in analysed:
            if one.context.now.read:
                _ask_llm_too(session, runtime, one.batch, one.trigger)
    for one in analysed:
        insights_total.labels("local").inc()
        if one.batch.id in fresh:
            clients_asked(one.calls, scale=one.batch.event_count / max(one.context.now.read, 1))
    for _, same in groupby(analysed, key=lambda one: one.batch.project_id):  # one line for all of a turn, not for each
        together = list(same)
        findings = sum(len(one.analysis.patterns) for one in together)
        about = {"batch_id": together[-1].batch.id, "batches": len(together), "analyst": "local", "findings": findings}
        logger.info("insights.insight.made", extra=about)


def _read_and_analyse(session: Session, sealed: SealedRows, leases: Sequence[Lease]) -> list[Analysed]:
    """By project, so that what all are compared with is read once."""
    triggers = {lease.job.batch_id: lease.job.trigger for lease in leases}
    analysed: list[Analysed] = []
    for _, mine in groupby(sealed_batches(session, leases), key=lambda batch: batch.project_id):
        batches = list(mine)
        past = Past(session, batches)
        for batch, seen in zip(batches, reading.read_each(session, sealed, batches), strict=True):
            context = past.context(batch, seen)
            if not context.now.read and find_insight(session, batch_id=batch.id, analyst="local") is not None:
                raise Permanent(
                    f"The events of batch {batch.id} are not in the log any more; its insight stays as it is."
                )
            analysis = _analyse(context, batch)
            past.add(batch, context, analysis.evidence)
            analysed.append(
                Analysed(batch, context, analysis, _calls_of_clients(session, batch, context), triggers[batch.id])
            )
    return analysed


def _values(one: Analysed, analysis_ms: float) -> dict[str, Any]:
    """Of its insight."""
    analysis, occurred = one.analysis, one.context.seen.occurred
    return {
        "summary": analysis.summary,
        "confidence": analysis.confidence,
        "patterns": analysis.patterns,
        "recommendations": analysis.recommendations,
        "evidence": analysis.evidence,
        "digest": dump(one.context.now),
        "window_from": clock.from_us(min(occurred)) if occurred else None,
        "window_to": clock.from_us(max(occurred)) if occurred else None,
        "analysis_ms": round(analysis_ms, 1),
    }


def analyse_with_llm(runtime: Runtime, lease: Lease) -> None:
    """Write the LLM's insight of a batch that has its local one."""
    began = time.monotonic()
    if not runtime.settings.llm_configured:
        raise Permanent("No LLM is configured any more (QUADRA_LLM_BASE_URL, QUADRA_LLM_API_KEY).")
    with runtime.database.snapshot() as session:
        (batch,) = sealed_batches(session, [lease])
        local = find_insight(session, batch_id=batch.id, analyst="local")
        context = reading.read_context(session, batch)
    if local is None or not context.now.read:
        raise Permanent(f"Batch {batch.id} has no local insight, or no events any more.")
    with runtime.database.begin() as session:
        secret = installation_secret(session, LLM_SECRET)
    who = redacted(secret) if runtime.settings.llm_redact else str
    data = briefing(context.now, list(context.before), local.patterns, context.seen, who=who)
    try:
        reply = llm.ask(runtime, data, call_id=f"{lease.job.id}:{lease.job.token}")
    except JunkAnswer as error:
        if lease.job.attempt >= JUNK_ATTEMPTS:
            raise Permanent(f"{error.message} It was asked {JUNK_ATTEMPTS} times.") from error
        raise
    with runtime.database.begin() as session:
        lease.succeed(session)
        save_insight(
            session,
            batch,
            analyst="llm",
            summary=reply.answer.summary,
            confidence=reply.answer.confidence,
            patterns=reply.answer.patterns,
            recommendations=reply.answer.recommendations,
            evidence={"asked_about": data["batch"], "compared_with": len(context.before)},
            model=runtime.settings.llm_model[:200],
            tokens=reply.tokens,
            cost_usd=reply.cost_usd,
            window_from=local.window_from,
            window_to=local.window_to,
            analysis_ms=_ms(began),
        )
    insights_total.labels("llm").inc()
    logger.info("insights.insight.made", extra={"batch_id": batch.id, "analyst": "llm", "tokens": reply.tokens})


HANDLERS = {
    # insights first: people wait for them, and a delivery that retries must not stand in their way
    ANALYSE: Handler(
        analyse_batch, analyse_batches, timeout=timedelta(minutes=2), priority=0, every_batch=True, backfill=True
    ),
    ANALYSE_LLM: Handler(analyse_with_llm, timeout=timedelta(minutes=10), priority=5),
}


def _analyse(context: BatchContext, batch: Batch) -> Analysis:
    if context.now.read:
        return analyse(context)
    summary = "The events of this batch were erased before it was analysed."
    return Analysis(summary, 0.0, [], [], {"findings": [], "events": batch.event_count, "read": 0})


def _calls_of_clients(session: Session, batch: Batch, context: BatchContext) -> dict[str, Model]:
    """The AI calls that clients report in a batch, by model."""
    models = context.seen.models()
    if not models or max(context.seen.occurred) < clock.to_us(batch.opened_at - HISTORY):
        return {}
    slug = session.scalar(sa.select(Project.slug).where(Project.id == batch.project_id))
    # Quadra's own calls are counted as they end; what the demo makes up costs nobody anything
    return {} if slug in (OWN, DEMO) else models


def _ask_llm_too(session: Session, runtime: Runtime, batch: Batch, trigger: Trigger) -> None:
    """The LLM's turn, where one is configured: a job that exists exactly when the local insight does."""
    if not runtime.settings.llm_configured:
        return
    slug = session.scalar(sa.select(Project.slug).where(Project.id == batch.project_id))
    waiting = sa.select(Job.id).where(Job.state.in_(UNFINISHED), Job.kind == ANALYSE_LLM).limit(LLM_WAITING).subquery()
    if slug == OWN:
        return
    if (session.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0) >= LLM_WAITING:
        logger.warning("insights.llm.skipped", extra={"batch_id": batch.id, "waiting": LLM_WAITING})
        return
    try:
        enqueue(
            session,
            kind=ANALYSE_LLM,
            max_attempts=runtime.settings.job_max_attempts,
            project_id=batch.project_id,
            batch_id=batch.id,
            priority=HANDLERS[ANALYSE_LLM].priority,
            trigger=trigger,
        )
    except Conflict:  # it is asked about this batch already
        logger.info("insights.llm.waiting", extra={"batch_id": batch.id})


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
