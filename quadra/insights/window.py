"""How long a batch took to fill: what its rates are reckoned by."""

from __future__ import annotations

from quadra.insights.seen import Seen

LIVE_US = 5 * 60_000_000
"""Events that were received later than this after they occurred (at the median) were imported, not live."""
LEAST_SECONDS = 0.1


def window_seconds(seen: Seen, *, opened_us: int, sealed_us: int) -> float | None:
    """For live events the time the batch was open, or the time they span where one flush brought them all; for imported
    ones the time they span, without the outermost fiftieth on either side: a single wrong clock must not stretch it.

    None where that is too short to say anything about a rate.
    """
    if not seen.occurred:
        return None
    ordered = sorted(seen.occurred)
    skip = len(ordered) // 50
    share = (len(ordered) - 2 * skip) / len(ordered)
    span = (ordered[len(ordered) - 1 - skip] - ordered[skip]) / 1e6 / share
    is_live = sorted(seen.lags)[len(seen.lags) // 2] < LIVE_US
    seconds = max(span, (sealed_us - opened_us) / 1e6) if is_live else span
    return seconds if seconds >= LEAST_SECONDS else None
