"""Random histories with every kind of event, by people and by nobody, some of them bots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from quadra.ingest.kinds import UNNUMBERED
from tests.analytics.histories import BACK, HOUR, LINKS, PEOPLE, ZONES
from tests.analytics.reference import Event, People, us_of

SPAN_DAYS = 4


@dataclass(frozen=True)
class Story:
    zone: str
    start: int
    end: int
    events: tuple[Event, ...]
    people: People


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


SESSIONS = st.sampled_from(["s1", "s2", "s3"])
MILLISECONDS = maybe(st.integers(0, 40).map(lambda n: n * 12.5))
KINDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "event": {"event_category": maybe(st.sampled_from(["x", "y"])), "duration_ms": MILLISECONDS},
    "page": {"page_url": maybe(st.sampled_from(["/", "/a", "/a/"]))},
    "feature": {
        "feature_name": st.sampled_from(["f", "g"]),
        "action": st.sampled_from(["opened", "used", "completed"]),
        "event_category": maybe(st.sampled_from(["c", "d"])),
        "duration_seconds": maybe(st.integers(0, 9)),
        "success": maybe(st.booleans()),
        "error_message": maybe(st.just("no")),
    },
    "funnel": {
        "funnel_name": st.sampled_from(["buy", "join"]),
        "stage": st.sampled_from(["one", "two", "three"]),
        "stage_order": st.integers(1, 4),
        "session_id": maybe(SESSIONS),
        "time_to_stage_seconds": maybe(st.integers(0, 99)),
        "time_in_stage_seconds": maybe(st.integers(0, 99)),
    },
    "journey": {
        "journey_type": st.sampled_from(["j", "k"]),
        "step_name": st.sampled_from(["one", "two", "three"]),
        "step_order": st.integers(1, 4),
        "session_id": SESSIONS,
        "duration_seconds": maybe(st.integers(0, 99)),
    },
    "survey": {
        "survey_type": st.sampled_from(["nps", "csat", "ces"]),
        "score": st.sampled_from([1, 2, 3, 3.5, 4, 5]),
        "context": maybe(st.sampled_from(["pay", {"page": "/"}])),
    },
    "ai": {
        "model": st.sampled_from(["m", "n"]),
        "provider": maybe(st.sampled_from(["p"])),
        "prompt_tokens": maybe(st.integers(0, 99)),
        "completion_tokens": maybe(st.integers(0, 99)),
        "total_tokens": maybe(st.integers(0, 99)),
        "cost_usd": maybe(st.integers(0, 8).map(lambda n: n / 4)),
        "response_time_ms": MILLISECONDS,
        "success": maybe(st.booleans()),
    },
    "error": {
        "error_type": st.sampled_from(["E", "F"]),
        "message": st.sampled_from(["m", "n"]),
        "severity": maybe(st.sampled_from(["low", "high"])),
        "endpoint": maybe(st.sampled_from(["/a", "/b"])),
    },
    "request": {
        "endpoint": maybe(st.sampled_from(["/a", "/b"])),
        "method": maybe(st.sampled_from(["GET", "POST"])),
        "status_code": maybe(st.sampled_from([200, 302, 404, 500])),
        "response_time_ms": MILLISECONDS,
        "success": maybe(st.booleans()),
    },
    "metric": {
        "metric_name": st.sampled_from(["cpu", "revenue"]),
        "metric_value": st.integers(-4, 40).map(lambda n: n / 4),
        "component": maybe(st.sampled_from(["web", "db"])),
        "business_id": maybe(st.just("shop")),
        "unit": maybe(st.sampled_from(["EUR", "%"])),
        "category": maybe(st.sampled_from(["Revenue", "conversion", "other"])),
    },
}
ENDS = {"funnel": ("stage", "stage_order"), "journey": ("step_name", "step_order")}


@st.composite
def one(draw: st.DrawFn, middle: int, kinds: tuple[str, ...]) -> Event:
    kind = draw(st.sampled_from(kinds))
    fields = {name: value for name, values in KINDS[kind].items() if (value := draw(values)) is not None}
    event_type = {"event": draw(st.sampled_from("ab")), "page": "page_view"}.get(kind, kind)
    if kind in ENDS and "session_id" in fields and draw(st.integers(0, 4)) == 0:
        event_type = f"{kind}_completed"
        if draw(st.booleans()):
            fields |= dict(zip(ENDS[kind], ("completed", UNNUMBERED), strict=True))
        fields["success"] = draw(st.sampled_from([True, True, False]))
    at = draw(st.one_of(st.integers(-9 * 48, 9 * 48), st.integers(-6, 6), st.integers(-3 * 48, 3 * 48)))
    who = draw(st.sampled_from([*PEOPLE, "u1", "u2", None]))
    return Event(
        who,
        middle + at * HOUR // 2 + draw(st.sampled_from([0, 0, 60_000_000])),
        event_type,
        ({"plan": plan} if (plan := draw(st.sampled_from(["", "x"]))) else {})
        | ({"$set": {"tier": tier}} if (tier := draw(st.sampled_from(["", "", "gold", "2"]))) else {}),
        bot=draw(st.integers(0, 6)) == 0,
        kind=kind,
        event_type=event_type,
        fields=fields,
    )


@st.composite
def stories(draw: st.DrawFn, *kinds: str, most: int = 40) -> Story:
    zone = draw(st.sampled_from(sorted(ZONES)))
    middle = us_of(draw(st.sampled_from([ZONES[zone], BACK[zone]])))
    told = draw(st.lists(one(middle, kinds or tuple(KINDS)), max_size=most))
    linked = [Event(who, middle - 400 * 24 * HOUR, "linked", anonymous_id=other) for who, other in LINKS]
    numbered = tuple(
        replace(event, fields={**event.fields, "event_id": f"e{number:04}"})
        for number, event in enumerate((*linked, *told))
    )
    return Story(zone, middle - SPAN_DAYS * 24 * HOUR, middle + SPAN_DAYS * 24 * HOUR, numbered, PEOPLE)
