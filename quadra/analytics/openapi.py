"""The doors of the lenses, described. A new lens is described here."""

from __future__ import annotations

from quadra.accounts.projects import WEEK_STARTS
from quadra.analytics import openapi_shapes as shapes
from quadra.analytics.openapi_funnel import FUNNEL
from quadra.analytics.periods import INTERVALS
from quadra.analytics.question import DAYS, DAYS_MOST
from quadra.analytics.retention import KINDS, PERIODS_MOST
from quadra.analytics.routes import PREFIXES
from quadra.analytics.trends import AGGREGATES, LABELS, LABELS_MOST
from quadra.core.openapi import Answer, Door, Group, Param, Shape

FLAG = {"type": "boolean", "default": False}
A_TIME = "A bare date, ISO 8601, or milliseconds since 1970; without an offset it is the time zone's."


def common(*, interval: str = "interval", intervals: tuple[str, ...] = INTERVALS) -> tuple[Param, ...]:
    """What every question takes."""
    return (
        Param(name="project", shape=str, says="Left out: the project of the key that asks, else `default`."),
        Param(name="from", shape=str, says=f"The first moment that counts. {A_TIME}", example="2026-01-01"),
        Param(
            name="to",
            shape=str,
            says="The first moment that does not; a bare date means through the end of that day.",
            example="2026-01-31",
        ),
        Param(
            name="days",
            shape={"type": "integer", "minimum": 1, "maximum": DAYS_MOST, "default": DAYS},
            says="Where `from` or `to` is left out: how many days there are. Without both they end today.",
        ),
        Param(name=interval, shape={"enum": list(intervals), "default": "day"}),
        Param(name="timezone", shape=str, says="Left out: the project's.", example="Europe/Berlin"),
        Param(name="week_start", shape={"enum": list(WEEK_STARTS)}, says="Left out: the project's."),
        Param(
            name="where[property]",
            shape=str,
            says="Only events with this value of a field or property; empty is no value. Several properties must all fit, "
            "several values of one are alternatives.",
        ),
        Param(name="include_bots", shape={"type": "boolean"}, says="Left out: questions about people leave bots out."),
    )


MEASURED = {"computed_at": "2026-01-31T12:00:00.000Z", "rows_read": 51_200, "elapsed_ms": 12.4}
EVENT = Param(name="event", shape=str, says="Its name. Left out: any event.", example="page_view")


def question(path: str, title: str, says: str, params: tuple[Param, ...], shape: Shape, example: object) -> Door:
    """The description of a question that an address holds."""
    return Door(
        method="GET",
        path=f"{PREFIXES[0]}/{path}",
        title=title,
        says=says,
        needs="viewer",
        params=params,
        answers={200: Answer(says="The answer.", shape=shape, example=example)},
        refuses=(400, 404, 503),
        also=tuple(f"{prefix}/{path}" for prefix in PREFIXES[1:]),
    )


TRENDS = question(
    "trends",
    "Trends",
    "How often, how many people, how much, for each period.",
    (
        EVENT,
        Param(name="aggregate", shape={"enum": list(AGGREGATES), "default": "total"}),
        Param(name="property", shape=str, says="The number that `sum`, `avg` and `max_per_user` are of."),
        Param(name="breakdown", shape=str, says="A field or property: one series for each of its values."),
        Param(
            name="breakdown_limit",
            shape={"type": "integer", "minimum": 1, "maximum": LABELS_MOST, "default": LABELS},
            says="The largest keep their names, the rest becomes `Other`.",
        ),
        Param(name="cumulative", shape=FLAG, says="Running sums."),
        *common(intervals=(*INTERVALS, "whole")),
    ),
    shapes.Trends,
    {"series": [{"label": "page_view", "points": [{"at": "2026-01-01T00:00:00.000Z", "value": 412}]}], **MEASURED},
)

RETENTION = question(
    "retention",
    "Retention",
    "Of the people who did something in a period, how many did something in each period after it.",
    (
        Param(name="first_event", shape=str, says="What puts people into a cohort. Left out: any event."),
        Param(name="return_event", shape=str, says="What counts as coming back. Left out: any event."),
        Param(name="first_where[property]", shape=str, says="A filter of the first event alone."),
        Param(name="return_where[property]", shape=str, says="A filter of the return event alone."),
        Param(
            name="periods",
            shape={"type": "integer", "minimum": 1, "maximum": PERIODS_MOST},
            says="How many periods to look at; with `from` and `to` how many columns to show.",
        ),
        Param(name="kind", shape={"enum": list(KINDS), "default": KINDS[0]}),
        Param(name="minimum_occurrences", shape={"type": "integer", "minimum": 1, "default": 1}),
        Param(name="cumulative", shape=FLAG, says="Seen in that period or any later one."),
        *common(interval="period"),
    ),
    shapes.Retention,
    {"cohorts": [{"at": "2026-01-01T00:00:00.000Z", "size": 120, "returned": [120, 41, 33]}], **MEASURED},
)

STICKINESS = question(
    "stickiness",
    "Stickiness",
    "How many people were active in exactly 1, 2, 3, … periods of the range.",
    (
        EVENT,
        Param(
            name="interval_count", shape={"type": "integer", "minimum": 1, "default": 1}, says="So many make a period."
        ),
        Param(
            name="per_interval", shape=str, says="How often in a period: `gte:2`, `lte:1`, `exact:2`.", example="gte:2"
        ),
        Param(name="cumulative", shape=FLAG, says="In so many or more."),
        *common(),
    ),
    shapes.Stickiness,
    {"buckets": [310, 102, 44, 12, 9, 3, 1], **MEASURED},
)

LIFECYCLE = question(
    "lifecycle",
    "Lifecycle",
    "Who is new, who came back, who stayed, who went silent. `dormant` is a negative number.",
    (EVENT, *common()),
    shapes.Lifecycle,
    {
        "periods": [{"at": "2026-01-01T00:00:00.000Z", "new": 20, "returning": 71, "resurrecting": 9, "dormant": -14}],
        **MEASURED,
    },
)

GROUPS = (
    Group(
        title="Questions",
        says="Each is answered from every event that was acknowledged, up to the last one. The rules are in docs/lenses.md.",
        doors=(TRENDS, RETENTION, STICKINESS, LIFECYCLE, FUNNEL),
    ),
)
