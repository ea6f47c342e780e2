"""What went wrong: failures overall and by place, groups of errors and whom they hit, endpoints that became slow."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from typing import Any

from quadra.insights.digest import Digest
from quadra.insights.finding import Finding
from quadra.insights.history import FEW, BatchContext, compare
from quadra.insights.odds import ALPHA, binomial_tail, confidence

MANY = 0.2
"""With nothing to compare with, a batch of which a fifth failed is worth a word."""
SLOWER_TIMES = 1.5
SLOWER_MS = 50.0
TIMED = 10
SLOW_SHARE = 0.075
"""Five in a hundred are slower than the p95 of before by its meaning; half as many again allow for its own error."""
MOSTLY = 0.6


def failures(context: BatchContext) -> Iterator[Finding]:
    """The share of events that failed: errors, and whatever said that it did not succeed."""
    rose = compare(context, lambda digest: (digest.failed, digest.read))
    if rose is not None and rose.share - rose.before_share >= 0.01:
        status, of_status = _top(context.now.statuses)
        evidence: dict[str, Any] = {"share": rose.share, "before": rose.before_share, "failed": rose.k, "of": rose.n}
        tail = ""
        if status and of_status > rose.k / 2:
            evidence |= {"status": status, "of_status": of_status}
            tail = " {of_status:count} of them have the status {status}."
        yield Finding(
            "failures.rose",
            "warning",
            confidence(rose.p, n=rose.n, batches=rose.batches),
            "Failures rose from {before:percent} to {share:percent} ({failed:count} of {of:count} events)." + tail,
            evidence,
            "Open the errors of this time and compare with the last release.",
            weight=rose.share,
        )
        return
    fell = compare(context, lambda digest: (digest.failed, digest.read), rises=False)
    if fell is not None and fell.before_share - fell.share >= 0.01:
        yield Finding(
            "failures.fell",
            "info",
            confidence(fell.p, n=fell.n, batches=fell.batches),
            "Failures fell from {before:percent} to {share:percent} ({failed:count} of {of:count} events).",
            {"share": fell.share, "before": fell.before_share, "failed": fell.k, "of": fell.n},
        )
    elif not context.enough and context.now.failed >= 5 and context.now.failed >= MANY * context.now.read:
        yield Finding(
            "failures.many",
            "notice",
            confidence(0.0, n=context.now.read, batches=1),
            "{failed:count} of {of:count} events failed ({share:percent}).",
            {
                "failed": context.now.failed,
                "of": context.now.read,
                "share": context.now.failed / context.now.read,
            },
            "Open the errors of this time; there is no earlier batch to say whether this is usual.",
        )


def failing_places(context: BatchContext) -> Iterator[Finding]:
    """Endpoints and pages whose share of failures rose, and whom it hits."""
    failing = {name: place for name, place in context.now.places.items() if place.failed >= 2}
    for name in failing:
        change = compare(context, lambda d, p=name: _place_failed(d, p), families=len(failing))  # type: ignore[misc]
        if change is None or change.share - change.before_share < 0.02:
            continue
        evidence = {
            "name": name,
            "share": change.share,
            "before": change.before_share,
            "failed": change.k,
            "of": change.n,
        }
        yield Finding(
            "place.failing",
            "warning",
            confidence(change.p, n=change.n, batches=change.batches),
            "Errors on {name} rose from {before:percent} to {share:percent}" + _hit(context, name, change.k, evidence),
            evidence,
            "Try {name} yourself, and look at its errors of this time.",
            weight=change.share * change.k,
        )


def error_groups(context: BatchContext) -> Iterator[Finding]:
    """Groups of errors that are new or rose: the same error type and message, numbers aside."""
    groups = context.now.errors
    for group, number in groups.items():
        known = [digest.known("errors", group) for digest in context.before]
        evidence = {"group": group, "number": number, "batches": len(known)}
        if context.enough and number >= 2 and all(count == 0 for count in known):
            yield Finding(
                "error.new",
                "warning",
                confidence(0.0, n=number, batches=len(known)),
                "New error “{group}”: {number:count} times" + _who(context, group, evidence),
                evidence,
                "Read a stack trace of “{group}” first; it did not happen in the {batches:count} batches before.",
                weight=number,
            )
            continue
        change = compare(context, lambda d, g=group: _error_part(d, g), families=len(groups))  # type: ignore[misc]
        if change is not None and change.before_share > 0 and number >= 3:
            evidence |= {"share": change.share, "before": change.before_share}
            yield Finding(
                "error.rose",
                "warning",
                confidence(change.p, n=number, batches=change.batches),
                "“{group}” rose from {before:percent} to {share:percent} of all events: {number:count} times"
                + _who(context, group, evidence),
                evidence,
                "See what changed around “{group}”.",
                weight=number,
            )


def slow_endpoints(context: BatchContext) -> Iterator[Finding]:
    """Endpoints of which more requests than usual are slower than their p95 of before."""
    timed = {name: place for name, place in context.now.places.items() if place.timed >= TIMED}
    for name, place in timed.items():
        past = [old.places[name] for old in context.before if name in old.places and old.places[name].timed >= TIMED]
        if len(past) < FEW:
            continue
        usual = statistics.median(old.p95_ms for old in past)
        slow = sum(1 for duration in context.seen.durations[name] if duration > usual)
        p = binomial_tail(slow, place.timed, SLOW_SHARE) * len(timed)
        if p >= ALPHA or place.p95_ms < max(usual * SLOWER_TIMES, usual + SLOWER_MS):
            continue
        yield Finding(
            "endpoint.slow",
            "warning",
            confidence(p, n=place.timed, batches=len(past)),
            "{name} became slower: p95 is {p95:ms}, usual is {usual:ms}; {slow:count} of {of:count} requests took longer "
            "than that.",
            {"name": name, "p95": place.p95_ms, "usual": usual, "slow": slow, "of": place.timed},
            "Look for slow queries and dependencies behind {name}.",
            weight=place.p95_ms / max(usual, 1.0),
        )


def _hit(context: BatchContext, name: str, failed: int, evidence: dict[str, Any]) -> str:
    """Who: a browser that has more of the failures than of the events."""
    browser, number = _top(Counter({b: n for b, n in context.seen.failed_by_place[name].items() if b}))
    of_all = context.seen.browsers[browser] / context.seen.read if browser and context.seen.read else 0
    if browser and number >= MOSTLY * failed and number >= 2 and number / failed > of_all + 0.2:
        evidence |= {"browser": browser, "of_browser": number / failed}
        return "; {of_browser:percent} of them are {browser}."
    return " ({failed:count} of {of:count})."


def _who(context: BatchContext, group: str, evidence: dict[str, Any]) -> str:
    people = len(context.seen.error_people[group])
    place, _number = _top(context.seen.error_places[group])
    words = ""
    if place:
        evidence["place"] = place
        words += ", mostly on {place}"
    if people:
        evidence["people"] = people
        words += ", {people:count} people" if people > 1 else ", {people:count} person"
    return words + "."


def _place_failed(digest: Digest, name: str) -> tuple[int, int] | None:
    place = digest.places.get(name)
    return (place.failed, place.events) if place else None


def _error_part(digest: Digest, group: str) -> tuple[int, int] | None:
    known = digest.known("errors", group)
    return None if known is None else (known, digest.read)


def _top(counts: dict[str, int]) -> tuple[str, int]:
    """The most frequent, by name where several are."""
    return min(counts.items(), key=lambda item: (-item[1], item[0])) if counts else ("", 0)
