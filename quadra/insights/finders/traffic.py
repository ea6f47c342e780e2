"""How much came, and of what: volume, unusual hours, event types, pages, bots."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from quadra.core import clock
from quadra.insights.digest import Digest
from quadra.insights.finding import Finding
from quadra.insights.history import FEW, BatchContext, HourPast, compare
from quadra.insights.odds import ALPHA, confidence, normal_tail, poisson_two_sided, robust_z

VOLUME_Z = 3.5
"""The usual bound for a robust z-score."""
VOLUME_TIMES = 2.0
LOG_FLOOR = math.log(1.25)
"""Rates that differ by a quarter are taken for equal, however steady the past was."""
NEW_TYPE_EVENTS = 3
HOUR_TIMES = 3.0
HOUR_EVENTS = 20
HOUR_DAYS = 5


def volume(context: BatchContext) -> Iterator[Finding]:
    """Events for each second against the median of the recent batches, on a logarithmic scale (median and MAD)."""
    rates = [rate for digest in context.before if (rate := _rate(digest)) is not None]
    rate = _rate(context.now)
    if rate is None or len(rates) < FEW:
        return
    usual = statistics.median(rates)
    z = robust_z(math.log(rate), [math.log(value) for value in rates], floor=LOG_FLOOR)
    expected = usual * (context.now.window_seconds or 0)
    p = max(2 * normal_tail(abs(z)), poisson_two_sided(context.now.events, expected))
    if abs(z) < VOLUME_Z or p >= ALPHA or not (rate >= usual * VOLUME_TIMES or rate <= usual / VOLUME_TIMES):
        return
    evidence = {"rate": rate, "usual": usual, "batches": len(rates), "events": context.now.events, "z": z}
    sure = confidence(
        p, n=min(context.now.events, max(expected, 1)) if rate < usual else context.now.events, batches=len(rates)
    )
    if rate > usual:
        yield Finding(
            "volume.rose",
            "notice",
            sure,
            "Events came at {rate:rate}, {times:times} the usual {usual:rate}.",
            evidence | {"times": rate / usual},
            "Find out what sent them: a campaign, a release, a loop in a client, or a crawler.",
            weight=rate / usual,
        )
    else:
        yield Finding(
            "volume.fell",
            "warning",
            sure,
            "Events came at only {rate:rate}; usual is {usual:rate}, {times:times} as much.",
            evidence | {"times": usual / rate},
            "Check that the trackers and senders still reach Quadra.",
            weight=usual / rate,
        )


def unusual_hours(context: BatchContext) -> Iterator[Finding]:
    """An hour of the day that is usually quiet. Told once: by the batch with which the hour became unusual."""
    for hour in context.hours:
        days = sorted(hour.days_before)
        usual = statistics.median(days) if days else 0
        total = hour.before_this_batch + hour.in_this_batch
        bound = max(HOUR_TIMES * max(days, default=0), HOUR_EVENTS)
        if len(days) < HOUR_DAYS or total < bound or hour.before_this_batch >= bound:
            continue
        p = poisson_two_sided(total, max(usual, 0.5))
        if p < ALPHA:
            yield Finding(
                "hour.unusual",
                "notice",
                confidence(p, n=total, batches=len(days)),
                "{total:count} events came in the hour from {hour}; on the {days:count} days before it was "
                "{usual:count} in that hour, and {most:count} at the most.",
                {"total": total, "hour": _clock(context, hour), "days": len(days), "usual": usual, "most": max(days)},
                "Look at who was active in that hour: nightly jobs and attacks look like this, too.",
            )


def new_types(context: BatchContext) -> Iterator[Finding]:
    """Event types that no recent batch had."""
    if not context.enough:
        return
    fresh = {
        name: number
        for name, number in context.now.types.items()
        if number >= min(NEW_TYPE_EVENTS, context.now.read)
        and all(old.known("types", name) == 0 for old in context.before)
    }
    for name, number in sorted(fresh.items(), key=lambda item: (-item[1], item[0]))[:3]:
        yield Finding(
            "type.new",
            "info",
            confidence(0.0, n=number, batches=len(context.before)),
            "“{name}” is new: {number:count} events; the {batches:count} batches before had none.",
            {"name": name, "number": number, "batches": len(context.before)},
            "If nobody released “{name}” on purpose, check the name in the sender.",
            weight=number,
        )


def mix(context: BatchContext) -> Iterator[Finding]:
    """Event types whose share of all events rose, or where none did, fell: one's gain is the others' loss."""
    names = sorted({name for digest in (context.now, *context.before) for name in digest.types})
    yield from list(_mixed(context, names, rises=True)) or _mixed(context, names, rises=False)


def _mixed(context: BatchContext, names: list[str], *, rises: bool) -> Iterator[Finding]:
    for name in names:
        change = compare(context, lambda d, t=name: _part(d, "types", t), rises=rises, families=2 * len(names))  # type: ignore[misc]
        if change is None or change.before_share == 0 or abs(change.share - change.before_share) < 0.1:
            continue
        yield Finding(
            "mix.rose" if rises else "mix.fell",
            "info",
            confidence(change.p, n=change.n, batches=change.batches),
            "“{name}” made {share:percent} of all events; before it was {before:percent}.",
            {"name": name, "share": change.share, "before": change.before_share, "events": change.k},
            weight=abs(change.share - change.before_share),
        )


def popular_pages(context: BatchContext) -> Iterator[Finding]:
    """Pages and endpoints that suddenly get a large part of everything."""
    for name in context.now.places:
        change = compare(context, lambda d, p=name: _part(d, "places", p), families=len(context.now.places))  # type: ignore[misc]
        if change is None or change.share - change.before_share < 0.1:
            continue
        yield Finding(
            "page.rose",
            "info",
            confidence(change.p, n=change.k, batches=change.batches),
            "{name} got {share:percent} of all events ({events:count} of {of:count}); before it was {before:percent}.",
            {"name": name, "share": change.share, "before": change.before_share, "events": change.k, "of": change.n},
            "See where the visitors of {name} come from.",
            weight=change.share - change.before_share,
        )


def bots(context: BatchContext) -> Iterator[Finding]:
    """The share of crawlers."""
    change = compare(context, lambda digest: (digest.bots, digest.read))
    if change is None or change.share - change.before_share < 0.1:
        return
    yield Finding(
        "bots.rose",
        "info",
        confidence(change.p, n=change.n, batches=change.batches),
        "Bots sent {share:percent} of the events ({bots:count} of {of:count}); before it was {before:percent}.",
        {"share": change.share, "before": change.before_share, "bots": change.k, "of": change.n},
        "Questions about people leave bots out; if these are unwanted, limit them at the web server.",
    )


def _rate(digest: Digest) -> float | None:
    return digest.events / digest.window_seconds if digest.window_seconds and digest.events else None


def _part(digest: Digest, listed: str, name: str) -> tuple[int, int] | None:
    known = digest.known(listed, name)
    return None if known is None else (known, digest.read)


def _clock(context: BatchContext, hour: HourPast) -> str:
    return f"{clock.from_us(hour.hour_us).astimezone(context.timezone):%H:%M} ({context.timezone.key})"
