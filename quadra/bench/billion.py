"""What 10⁹ events a day need, calculated from what was measured. Nobody has run it."""

from __future__ import annotations

import math

from quadra.bench.kept import Figures
from quadra.bench.markdown import prose, section, table

EVENTS = 1_000_000_000
DAY_SECONDS = 86_400
PEAK = 3
"""Times the mean."""
FILL = 0.6
"""Of a core or a disk that is in use at the peak, so that it can catch up."""

BREAKS = (
    (
        "one event loop a web process",
        "the process uses a whole core",
        "a replica more, behind a sticky balancer, with Redis",
    ),
    (
        "jobs by batch",
        "`jobs_oldest_pending_age_seconds` grows through the night",
        "`QUADRA_BATCH_MAX_EVENTS=10000`, workers on machines of their own",
    ),
    (
        "inserts into one PostgreSQL",
        "`writer_queue_depth` stays above 0, senders get 503 `overloaded`",
        "a faster disk; then a second Quadra with a PostgreSQL of its own, by project",
    ),
    ("questions over all of it with DuckDB", "503 after `QUERY_TIMEOUT`", "ClickHouse by `QUADRA_WAREHOUSE_URL`"),
    ("one project of that size", "one job at a time for a project", "several projects, asked together in ClickHouse"),
)


def billion(figures: Figures) -> str:
    """The part of the page; empty until scale was measured."""
    if not figures.scale or not figures.scale.sizes:
        return ""
    size = figures.scale.sizes[-1]
    mean = EVENTS / DAY_SECONDS
    peak = mean * PEAK
    web = peak * size.array_web_us / 1e6 / FILL
    singly = peak * size.single_web_us / 1e6 / FILL
    worker = mean * (size.array_us - size.array_web_us) / 1e6 / FILL
    segment = size.disk_mb * 2**20 / size.events
    day = EVENTS * segment / 1e9
    rows: list[tuple[object, ...]] = [
        ("events a second", f"10⁹ / {DAY_SECONDS:,} s; {PEAK} times at the peak", f"{mean:,.0f}; {peak:,.0f}"),
        (
            "cores for web processes, arrays of 100",
            f"{peak:,.0f}/s · {size.array_web_us:.1f} µs / {FILL}",
            f"{web:.1f}: {math.ceil(web)} replicas, one core each",
        ),
        (
            "the same, events singly",
            f"{peak:,.0f}/s · {size.single_web_us:.1f} µs / {FILL}",
            f"{singly:.1f}: {math.ceil(singly)}",
        ),
        (
            "cores for workers, of the mean: what a peak leaves is done in the night",
            f"{mean:,.0f}/s · {size.array_us - size.array_web_us:.1f} µs / {FILL}",
            f"{worker:.1f}: {math.ceil(worker)} workers",
        ),
        ("disk for segments", f"10⁹ · {segment:.0f} bytes", f"{day:,.0f} GB a day, {day * 365 / 1000:,.1f} TB a year"),
    ]
    hot = figures.soak_postgresql
    if hot and hot.stored and hot.disk_mb:
        bytes_ = hot.disk_mb * 2**20 / hot.stored
        rows.append(
            (
                "disk for hot rows in PostgreSQL, `QUADRA_HOT_DAYS=1`",
                f"10⁹ · {bytes_:.0f} bytes (the soak's database and segments)",
                f"{EVENTS * bytes_ / 1e9:,.0f} GB",
            )
        )
    rows += _database(figures, peak)
    return section(
        "10⁹ events a day",
        prose(
            f"Calculated by `quadra bench` from the figures above, beside {size.events:,} stored events; nobody "
            f"has run it. Cores are "
            f"filled to {FILL:.0%} at the peak. The way: replicas and workers over one PostgreSQL, which "
            f"acknowledges; segments in an "
            "S3-compatible store; ClickHouse for the questions (`QUADRA_WAREHOUSE_URL`, [scale](scale.md)); "
            "Kafka for those who want the "
            "stream ([sinks](sinks.md)): Quadra delivers to it and does not read from it."
        ),
        table(("what", "how", "is"), rows),
        "What breaks first, in this order, and what to put in place:",
        table(("what", "sign", "then"), BREAKS),
    )


def _database(figures: Figures, peak: float) -> list[tuple[object, ...]]:
    """Beside what the bare insert of the same database took."""
    limits = [
        one.limit
        for one in (figures.ingest.ingest if figures.ingest else [])
        if one.against == "insert" and one.limit and "PostgreSQL" in one.name
    ]
    if not limits:
        return []
    limit = max(limits)
    said = f"{peak / limit:.2f} of it: " + (
        "one server has room" if peak / limit <= FILL else "more cores than these, or two servers"
    )
    return [("inserts into PostgreSQL", f"{peak:,.0f}/s of {limit:,}/s, the bare insert on these cores", said)]
