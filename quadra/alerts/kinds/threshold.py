"""A number of a lens's answer is above or below a value, or has risen or fallen against the time before."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from msgspec import Struct, to_builtins

from quadra.accounts.tables import Project
from quadra.alerts.kind import Found, Kind, Look, Query, range_params
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.core.api.params import says, within
from quadra.core.errors import Invalid

Op = Literal[">", "<", "rises_by", "falls_by"]
BEYOND: Mapping[str, Callable[[float, float], bool]] = {">": operator.gt, "<": operator.lt}
DEFAULT_FIELDS = {"trends": "series.0.points.0.value", "visits": "totals.visitors"}
RANGE_NAMES = ("from", "to", "days", "start_date", "end_date", "interval", "period", "project")
PAGES = {
    "trends": "events",
    "sessions": "users",
    "stickiness": "retention",
    "lifecycle": "retention",
    "retention": "retention",
    "paths": "journeys",
    "users": "users",
    "ai": "ai",
    "performance": "performance",
    "errors": "errors",
    "visits": "visits",
}
"""The page that shows a lens best."""


class When(Struct, kw_only=True):
    lens: Annotated[str, says("The path of the question.", "trends")]
    params: Annotated[dict[str, Any], says("Its parameters, without a range.", {"event": "checkout"})] = {}
    field: Annotated[str | None, says("Where the number stands in the answer.", "series.0.points.0.value")] = None
    op: Annotated[Op, says("`rises_by` and `falls_by` compare with the time before, in per cent.", ">")]
    value: Annotated[float, says("What the number is compared with.", 100.0)]
    over_minutes: Annotated[int, within(1, 43_200, "The question is about this long, until now.")] = 60
    for_minutes: Annotated[int, within(0, 43_200, "How long it must hold before anybody is told.")] = 0


def check(when: When, project: Project) -> None:
    lens = lens_of(when.lens)
    if lens.needs != "viewer":
        raise Invalid("", fields={"lens": "a question that viewers may ask"})
    wrong = [name for name in when.params if name in RANGE_NAMES]
    if wrong:
        raise Invalid("", fields={f"params.{name}": "left out: over_minutes says the time" for name in wrong})
    try:
        read_asked(when.lens, _params(when), project)
    except Invalid as error:
        raise Invalid("", fields={f"params.{name}": text for name, text in (error.fields or {}).items()}) from error
    path = _field(when)
    if path is None:
        raise Invalid("", fields={"field": "is needed: where the number stands in the answer, such as totals.count"})
    fields = lens.Answer.__struct_encode_fields__
    if path.partition(".")[0] not in fields:
        raise Invalid("", fields={"field": "begins with one of " + ", ".join(fields)})


def queries(at: Look, project: Project, when: When) -> Sequence[Query]:
    """About the time until now and, where it is compared, the time before."""
    over, end = timedelta(minutes=when.over_minutes), at.end
    start, params = end - over, _params(when)
    now = Query(when.lens, params, start, end)
    return [now] if when.op in BEYOND else [now, Query(when.lens, params, start - over, start)]


def look(at: Look, project: Project, when: When) -> Sequence[Found]:
    asked = queries(at, project, when)
    value, *earlier = (_value(at, project, when, query) for query in asked)
    if value is None:
        return []
    span = range_params(asked[0].start, asked[0].end)
    figures: dict[str, Any] = {"value": value, **span}
    if not earlier:
        if not BEYOND[when.op](value, when.value):
            return []
        words = f"is {value:g}, {'above' if when.op == '>' else 'below'} {when.value:g}"
    else:
        (before,) = earlier
        if before is None or before <= 0:
            return []
        change = (value - before) / before * 100
        if (change if when.op == "rises_by" else -change) < when.value:
            return []
        figures["before"] = before
        words = f"is {value:g} after {before:g}, {'up' if change > 0 else 'down'} {abs(change):.1f} %"
    return [
        Found(
            value=value,
            threshold=when.value,
            message=f"{_subject(when)} {words}, over {when.over_minutes} min.",
            figures=figures,
            page=PAGES.get(when.lens, "overview"),
            params=span,
            hold=timedelta(minutes=when.for_minutes),
        )
    ]


def _value(at: Look, project: Project, when: When, query: Query) -> float | None:
    """None where the answer has no number there."""
    found: Any = to_builtins(at.ask(project, query))
    for part in str(_field(when)).split("."):
        if isinstance(found, list):
            found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _params(when: When) -> dict[str, Any]:
    whole = {"interval": "whole"} if "whole" in lens_of(when.lens).asks.intervals else {}
    return {**when.params, **whole}


def _field(when: When) -> str | None:
    return when.field or DEFAULT_FIELDS.get(when.lens)


def _subject(when: When) -> str:
    event = when.params.get("event")
    return f"{when.lens} of {event}" if isinstance(event, str) else f"{when.lens} {_field(when)}"


KIND = Kind(
    name="threshold",
    says="A number of a question's answer is beyond a value, or has changed by more than a share.",
    When=When,
    look=look,
    queries=queries,
    check=check,
)
