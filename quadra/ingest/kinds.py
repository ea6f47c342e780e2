"""The kinds of event: which fields each has, which it must have, and where they are kept.

To add a kind, add one entry to KINDS and its new fields to FIELDS; wire models, checks and storage follow from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from quadra.ingest.columns import SENT
from quadra.ingest.placeholders import wrong_alias, wrong_ids

MAX_JSON_BYTES = 32 * 1024
Id = Annotated[str, Meta(max_length=128)]
Name = Annotated[str, Meta(max_length=200)]
Line = Annotated[str, Meta(max_length=8 * 1024)]
Text = Annotated[str, Meta(max_length=MAX_JSON_BYTES)]
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]
Duration = Annotated[float, Meta(ge=0, le=1e15)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
UNNUMBERED = 2**31 - 1
"""The order of a run's end, which no sender has to number."""
Milliseconds = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Since 1970. Without its bounds the parser makes a number of 4,300 digits: a body of them is one call of half a second."""
Order = Annotated[int, Meta(ge=-(2**31), le=UNNUMBERED)]

COMMON: dict[str, Any] = {
    "event_id": Id,
    "kind": Name,
    "event_type": Name,
    "event_name": Name,
    "event_category": Name,
    "user_id": Name,
    "anonymous_id": Name,
    "session_id": Name,
    "timestamp": Milliseconds | str,
    "sent_at": Milliseconds | str,
    "page": dict[str, Any] | str,
    "page_url": Line,
    "page_title": Line,
    "referrer": Line,
    "duration_ms": Duration,
    "duration_seconds": Duration,
    "value": Number,
    "success": bool,
    "category": Name,
    "properties": msgspec.Raw,
    "metadata": msgspec.Raw,
    "user_agent": Annotated[str, Meta(max_length=512)],
    **{column.name: column.sent_type for column in SENT},
}
"""Fields of every kind."""

TYPED: dict[str, Any] = {
    # identify
    "traits": msgspec.Raw,
    # feature
    "feature_name": Name,
    "action": Name,
    "error_message": Text,
    # funnel
    "funnel_name": Name,
    "stage": Name,
    "stage_order": Order,
    "time_to_stage_seconds": Duration,
    "time_in_stage_seconds": Duration,
    "source": Name,
    # journey
    "journey_type": Name,
    "step_name": Name,
    "step_order": Order,
    "previous_step": Name,
    "next_step": Name,
    "path": Annotated[list[Line], Meta(max_length=1_000)] | Line,
    # survey
    "survey_type": Name,
    "score": Number,
    "question": Line,
    "response": Text,
    "context": dict[str, Any] | str,
    # ai
    "model": Name,
    "provider": Name,
    "request_type": Name,
    "prompt_tokens": Count,
    "completion_tokens": Count,
    "total_tokens": Count,
    "cost_usd": Annotated[float, Meta(ge=0, le=1e12)],
    "response_time_ms": Duration,
    # error
    "error_type": Name,
    "message": Text,
    "stack_trace": Text,
    "severity": Name,
    # request
    "endpoint": Line,
    "method": Name,
    "status_code": Annotated[int, Meta(ge=100, le=599)],
    # metric
    "metric_name": Name,
    "metric_value": Number,
    "unit": Name,
    "component": Name,
    "business_id": Name,
    "tags": msgspec.Raw,
}
"""Fields of single kinds. A field that belongs to another kind than the event's is kept in its properties."""

FIELDS = {**COMMON, **TYPED}
ALIASES = {"metric_unit": "unit", "feature_category": "category"}
"""What other systems call a field."""
FREE = frozenset({"user_agent", "device_type", "browser", "os"})
"""Fields that senders use for things of their own too: what is no text of such a length is kept in the properties."""

SCORES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
ACTIONS = ("opened", "used", "completed")


@dataclass(frozen=True)
class Kind:
    """One kind of event."""

    required: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Fields that go into the `fields` column under their own names."""
    value: str = "value"
    """The field that becomes the `value` column."""
    duration: str = "duration_ms"
    """The field that becomes `duration_ms`; one that ends in `_seconds` is multiplied."""
    check: Callable[[Any], dict[str, str]] = lambda wire: {}
    """More rules: wire -> what is wrong, by field."""


def _feature(wire: Any) -> dict[str, str]:
    return {} if wire.action in ACTIONS else {"action": f"one of {', '.join(ACTIONS)}"}


def _survey(wire: Any) -> dict[str, str]:
    bounds = SCORES.get(wire.survey_type)
    if bounds is None:  # `NPS`
        wire.survey_type = wire.survey_type.lower()
        bounds = SCORES.get(wire.survey_type)
    if bounds is None:
        return {"survey_type": f"one of {', '.join(SCORES)}"}
    low, high = bounds
    return {} if low <= wire.score <= high else {"score": f"{wire.survey_type} takes {low} to {high}"}


KINDS: dict[str, Kind] = {
    "event": Kind(required=("event_type",), check=wrong_alias),
    "page": Kind(),
    "identify": Kind(kept=("traits",), check=wrong_ids),
    "feature": Kind(
        required=("feature_name", "action"),
        kept=("feature_name", "action", "error_message"),
        duration="duration_seconds",
        check=_feature,
    ),
    "funnel": Kind(
        required=("funnel_name", "stage", "stage_order"),
        kept=("funnel_name", "stage", "stage_order", "time_to_stage_seconds", "time_in_stage_seconds", "source"),
    ),
    "journey": Kind(
        required=("journey_type", "step_name", "step_order", "session_id"),
        kept=("journey_type", "step_name", "step_order", "previous_step", "next_step", "path"),
        duration="duration_seconds",
    ),
    "survey": Kind(
        required=("survey_type", "score"),
        kept=("survey_type", "question", "response", "context"),
        value="score",
        check=_survey,
    ),
    "ai": Kind(
        required=("model",),
        kept=(
            "model",
            "provider",
            "request_type",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "error_message",
        ),
        value="cost_usd",
        duration="response_time_ms",
    ),
    "error": Kind(
        required=("error_type", "message"), kept=("error_type", "message", "stack_trace", "severity", "endpoint")
    ),
    "request": Kind(kept=("endpoint", "method", "status_code", "error_message"), duration="response_time_ms"),
    "metric": Kind(
        required=("metric_name", "metric_value"),
        kept=("metric_name", "unit", "component", "business_id", "tags"),
        value="metric_value",
    ),
}


def _foreign(kind: Kind) -> tuple[str, ...]:
    used = {*kind.kept, *kind.required, kind.value, kind.duration}
    return tuple(name for name in (*TYPED, "value", "user_agent") if name not in used)


FOREIGN = {name: _foreign(kind) for name, kind in KINDS.items()}
"""kind -> the fields that it has no use for"""
FOREIGN_VALUES = {name: attrgetter(*fields) for name, fields in FOREIGN.items()}
"""kind -> how to read them all at once: this runs for every event, and nearly always finds nothing"""


def numbered(fields: dict[str, Any]) -> dict[str, Any]:
    """For people: without the number of a run's end, which no sender gave. Exports keep it: their import needs it."""
    return {
        name: value
        for name, value in fields.items()
        if value != UNNUMBERED or name not in ("stage_order", "step_order")
    }


PAGE_TYPES = frozenset({"page_view", "pageview", "$pageview"})


def kind_of(wire: Any) -> str:
    """The kind a sender means.

    `kind` says it; without it an event type that is a kind's name counts where that kind's own first field is there too
    (`{"eventType": "survey", "surveyType": …}`), a page view is a page, and everything else is a plain event. So an
    application's own event called `error` stays its own.
    """
    if wire.kind is not None:
        return str(wire.kind)
    event_type = wire.event_type
    if event_type in PAGE_TYPES:
        return "page"
    kind = KINDS.get(event_type)
    if kind is not None and kind.required and event_type != "event" and getattr(wire, kind.required[0]) is not None:
        return str(event_type)
    return "event"
