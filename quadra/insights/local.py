"""The local analyst: what changed against the project's own recent batches. Pure, needs nothing, gives the same answer twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from quadra.core import clock
from quadra.insights.finders import ai, people, traffic, trouble
from quadra.insights.finding import Finding, subject
from quadra.insights.history import BatchContext, Told
from quadra.insights.odds import confidence
from quadra.insights.words import say

FINDERS: tuple[Callable[[BatchContext], Iterator[Finding]], ...] = (
    trouble.failures,
    trouble.failing_places,
    trouble.error_groups,
    trouble.slow_endpoints,
    people.funnel_drops,
    people.satisfaction,
    ai.ai_cost,
    ai.ai_failures,
    traffic.volume,
    traffic.unusual_hours,
    people.people,
    people.one_person,
    people.sessions,
    traffic.new_types,
    traffic.mix,
    traffic.popular_pages,
    traffic.bots,
)

MOST = 12
"""Findings told of one batch."""
MOST_OF_A_KIND = 3
QUIET_CONFIDENCE = 0.8
"""That nothing was found is believed less than a finding of the same batch: what happened may be none of FINDERS' business."""


@dataclass(frozen=True)
class Analysis:
    """What is kept as an insight."""

    summary: str
    confidence: float
    patterns: list[str]
    recommendations: list[str]
    evidence: dict[str, Any]
    findings: tuple[Finding, ...] = ()


def analyse(context: BatchContext) -> Analysis:
    """The batch of `context` against those before it."""
    ranked = _ranked([finding for find in FINDERS for finding in find(context)])
    findings = tuple(_since(finding, context.told) for finding in ranked)
    now = context.now
    facts = {"events": now.events, "people": now.people, "batches": len(context.before)}
    batch = "{events:count} events of {people:count} people" if now.people > 1 else "{events:count} events"
    if findings:
        summary, sure = _going_on(findings[0], context.timezone) + findings[0].text, findings[0].confidence
        if len(findings) > 1:
            summary += " " + say("{more:count} more below.", {"more": len(findings) - 1})
    elif not context.before:
        summary, sure = say(f"The first batch: {batch}. Nothing to compare with yet.", facts), 0.0
    elif not context.enough:
        summary = say(f"{batch}. Only {{batches:count}} earlier to compare with: too few to judge.", facts)
        sure = 0.0
    else:
        summary = say(f"Nothing unusual: {batch}, much like the {{batches:count}} batches before.", facts)
        sure = round(QUIET_CONFIDENCE * confidence(0.0, n=now.read, batches=len(context.before)), 3)
    return Analysis(
        summary=summary,
        confidence=sure,
        patterns=[finding.text for finding in findings],
        recommendations=list(dict.fromkeys(finding.recommendation for finding in findings if finding.advice))[:5],
        evidence={
            "findings": [finding.as_dict() for finding in findings],
            "events": now.events,
            "read": now.read,
            "people": now.people,
            "sessions": now.sessions,
            "failed": now.failed,
            "window_seconds": now.window_seconds,
            "compared_with": len(context.before),
        },
        findings=findings,
    )


def _since(finding: Finding, told: Told | None) -> Finding:
    """The finding, with since when it goes on where the batch before had it too."""
    if told is None:
        return finding
    about = subject(finding.kind, finding.numbers)
    for before in told.findings:
        if subject(before["kind"], before["numbers"]) == about:
            since = before.get("since") or clock.iso(told.began)
            return replace(finding, since=since, batches=before.get("batches", 1) + 1)
    return finding


def _going_on(finding: Finding, timezone: ZoneInfo) -> str:
    if not finding.since:
        return ""
    since = datetime.fromisoformat(finding.since).astimezone(timezone)
    return f"Since {since:%H:%M}, {finding.batches} batches: "


def _ranked(findings: list[Finding]) -> tuple[Finding, ...]:
    """The most urgent first, few of each kind, ties in a fixed order."""
    ranked: list[Finding] = []
    kinds: dict[str, int] = {}
    for finding in sorted(findings, key=lambda f: (tuple(-part for part in f.rank), f.kind, f.text)):
        kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
        if kinds[finding.kind] <= MOST_OF_A_KIND:
            ranked.append(finding)
    return tuple(ranked[:MOST])
