"""What people did: how many there are, one who is all over the place, sessions, funnels, satisfaction."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from itertools import pairwise

from quadra.insights.digest import Digest
from quadra.insights.finding import Finding
from quadra.insights.history import FEW, BatchContext, compare
from quadra.insights.odds import ALPHA, confidence, means_differ, poisson_two_sided, pooled, robust_z

PEOPLE_Z = 3.5
PEOPLE_TIMES = 2.0
LOG_FLOOR = math.log(1.25)
STAGE_PEOPLE = 8
ANSWERS = 10
"""Answers below which a batch says nothing of satisfaction: two scores are two people."""
SATISFACTION = {
    "nps": ("NPS", "{now:score} points", "{before:score}", 10.0),
    "csat": ("CSAT", "{now:percent}", "{before:percent}", 0.05),
    "ces": ("CES", "{now:score}", "{before:score}", 0.3),
}
"""How each survey is called and shown, and by how much its headline has to move."""


def people(context: BatchContext) -> Iterator[Finding]:
    """Distinct people for each second, where that is not just the volume of events again."""
    rates = [rate for digest in context.before if (rate := _rate(digest, digest.people)) is not None]
    rate = _rate(context.now, context.now.people)
    if rate is None or len(rates) < FEW:
        return
    usual = statistics.median(rates)
    z = robust_z(math.log(rate), [math.log(value) for value in rates], floor=LOG_FLOOR)
    p = poisson_two_sided(context.now.people, usual * (context.now.window_seconds or 0))
    times = rate / usual
    events = [found for digest in context.before if (found := _rate(digest, digest.events)) is not None]
    of_events = (_rate(context.now, context.now.events) or 0) / statistics.median(events) if events else 1.0
    if abs(z) < PEOPLE_Z or p >= ALPHA or not (times >= PEOPLE_TIMES or times <= 1 / PEOPLE_TIMES):
        return
    if of_events > 0 and abs(math.log(times / of_events)) < math.log(1.5):
        return  # people and events changed alike: the volume says it
    yield Finding(
        "people.rose" if times > 1 else "people.fell",
        "notice",
        confidence(p, n=context.now.people, batches=len(rates)),
        "{people:count} different people came, {rate:rate}; usual is {usual:rate}.",
        {"people": context.now.people, "rate": rate, "usual": usual, "z": z, "batches": len(rates)},
        "Look at where new people come from."
        if times > 1
        else "Check sign-in and the front page: fewer people get through.",
    )


def one_person(context: BatchContext) -> Iterator[Finding]:
    """One person who makes a large part of all events."""
    change = compare(context, lambda digest: (digest.busiest, digest.identified))
    if change is None or change.share < 0.3 or change.share - change.before_share < 0.2 or change.n < 20:
        return
    yield Finding(
        "person.busy",
        "notice",
        confidence(change.p, n=change.n, batches=change.batches),
        "One person made {share:percent} of the events ({events:count} of {of:count}); the busiest usually makes "
        "{before:percent}.",
        {"share": change.share, "before": change.before_share, "events": change.k, "of": change.n},
        "Look at the most active people of this time: a script, a tester, or somebody in trouble.",
    )


def sessions(context: BatchContext) -> Iterator[Finding]:
    """Sessions that end after their first event."""
    change = compare(context, lambda digest: (digest.single_sessions, digest.sessions))
    if change is None or change.share - change.before_share < 0.15 or change.n < 10:
        return
    yield Finding(
        "sessions.short",
        "notice",
        confidence(change.p, n=change.n, batches=change.batches),
        "{share:percent} of the sessions have a single event ({single:count} of {of:count}); before it was {before:percent}.",
        {"share": change.share, "before": change.before_share, "single": change.k, "of": change.n},
        "See on which pages sessions end.",
    )


def funnel_drops(context: BatchContext) -> Iterator[Finding]:
    """Stages of recorded funnels that fewer people reach from the stage before.

    A batch is a short look: people who reach a stage in a later batch are missing here, and were as well in the batches that
    it is compared with.
    """
    steps = [
        (name, stage, following)
        for name, stages in context.now.funnels.items()
        for stage, following in _pairs(context, name)
        if stages.get(stage) is not None
    ]
    for name, stage, following in steps:
        change = compare(
            context,
            lambda d, f=name, a=stage, b=following: _reached(d, f, a, b),  # type: ignore[misc]
            rises=False,
            families=len(steps),
        )
        if change is None or change.n < STAGE_PEOPLE or change.before_share - change.share < 0.1:
            continue
        yield Finding(
            "funnel.dropped",
            "warning",
            confidence(change.p, n=change.n, batches=change.batches),
            "In the funnel {funnel} {share:percent} went from {stage} to {following} ({reached:count} of {of:count}); "
            "before it was {before:percent}.",
            {
                "funnel": name,
                "stage": stage,
                "following": following,
                "share": change.share,
                "before": change.before_share,
                "reached": change.k,
                "of": change.n,
            },
            "Walk through {stage} and {following} of {funnel} yourself.",
            weight=change.before_share - change.share,
        )


def satisfaction(context: BatchContext) -> Iterator[Finding]:
    """Scores of surveys against those of the recent batches (Welch's test on the means)."""
    for kind, score in context.now.surveys.items():
        past = [old.surveys[kind] for old in context.before if kind in old.surveys]
        if len(past) < FEW or kind not in SATISFACTION or score.answers < ANSWERS:
            continue
        p = means_differ(score.answers, score.mean, score.variance, [(s.answers, s.mean, s.variance) for s in past])
        answers, mean, _variance = pooled([(s.answers, s.mean, s.variance) for s in past])
        headline = sum(s.answers * s.headline for s in past) / answers if answers else 0.0
        label, now, before, least = SATISFACTION[kind]
        if (
            p >= ALPHA
            or abs(score.headline - headline) < least
            or (score.headline > headline) is not (score.mean > mean)
        ):
            continue
        fell = score.headline < headline
        yield Finding(
            "satisfaction.fell" if fell else "satisfaction.rose",
            "warning" if fell else "info",
            confidence(p, n=score.answers, batches=len(past)),
            "{survey} " + ("fell" if fell else "rose") + f" from {before} to {now} ({{answers:count}} answers).",
            {"survey": label, "now": score.headline, "before": headline, "answers": score.answers},
            "Read the newest answers with low scores." if fell else "",
        )


def _rate(digest: Digest, number: int) -> float | None:
    return number / digest.window_seconds if digest.window_seconds and number else None


def _pairs(context: BatchContext, funnel: str) -> list[tuple[str, str]]:
    """Neighbouring stages, by the order the senders gave, of this batch and of the past: a stage nobody reached is the point."""
    orders: dict[str, int] = {}
    for digest in (context.now, *context.before):
        for stage, found in digest.funnels.get(funnel, {}).items():
            orders.setdefault(stage, found.order)
    ordered = sorted(orders, key=lambda stage: (orders[stage], stage))
    return list(pairwise(ordered))


def _reached(digest: Digest, funnel: str, stage: str, following: str) -> tuple[int, int] | None:
    stages = digest.funnels.get(funnel)
    if not stages or stage not in stages:
        return None
    start = stages[stage].people
    return (min(start, stages[following].people) if following in stages else 0, start)
