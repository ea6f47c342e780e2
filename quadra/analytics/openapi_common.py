"""What the descriptions of all lenses have in common."""

from __future__ import annotations

from quadra.accounts.tables import WEEK_STARTS
from quadra.analytics.questions.periods import INTERVALS
from quadra.analytics.questions.question import DAYS, DAYS_MOST
from quadra.analytics.routes import PREFIXES
from quadra.core.openapi import Answer, Door, Param, Shape

FLAG = {"type": "boolean", "default": False}
A_TIME = "A bare date, ISO 8601, or milliseconds since 1970; without an offset it is the time zone's."


def common(
    *, interval: str = "interval", intervals: tuple[str, ...] = INTERVALS, days: int = DAYS
) -> tuple[Param, ...]:
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
            shape={"type": "integer", "minimum": 1, "maximum": DAYS_MOST, "default": days},
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


def limit(usual: int, most: int, says: str, name: str = "limit") -> Param:
    return Param(name=name, shape={"type": "integer", "minimum": 1, "maximum": most, "default": usual}, says=says)


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
        refuses=(404, 503),
        also=tuple(f"{prefix}/{path}" for prefix in PREFIXES[1:]),
    )
