"""The lenses of recorded kinds, of users and of the overview once more, in plain Python and by brute force."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

from quadra.ingest.kinds import UNNUMBERED
from tests.analytics.reference import EPOCH, US, Event, People, Span, iso, person, visits

Events = Sequence[Event]


def at(us: int) -> str:
    return iso(EPOCH + us * US)


def key(event: Event) -> tuple[int, str]:
    return event.us, event.fields["event_id"]


def mean(values: Iterable[Any]) -> Any:
    found = [value for value in values if value is not None]
    return fmean(found) if found else None


def percentile(values: Iterable[Any], share: float) -> Any:
    """Interpolated between the two nearest."""
    found = sorted(value for value in values if value is not None)
    if not found:
        return None
    place = share * (len(found) - 1)
    low = int(place)
    high = min(low + 1, len(found) - 1)
    return found[low] + (found[high] - found[low]) * (place - low)


def rate(part: int, whole: int) -> float:
    return part / whole * 100 if whole else 0.0


def latest(events: Events, name: str) -> Any:
    found = [event for event in sorted(events, key=key) if event.fields.get(name) is not None]
    return found[-1].fields[name] if found else None


def groups(events: Events, by: Callable[[Event], Any]) -> dict[Any, list[Event]]:
    found: dict[Any, list[Event]] = defaultdict(list)
    for event in events:
        found[by(event)].append(event)
    return found


def of(events: Events, span: Span, kind: str | None = None, *, humans: bool = False) -> list[Event]:
    return [
        event
        for event in events
        if span.holds(event) and (kind is None or event.kind == kind) and not (humans and event.bot)
    ]


def people_of(events: Events, people: People) -> set[str]:
    return {who for event in events if (who := person(event, people)) is not None}


def succeeded(event: Event) -> bool:
    said = event.fields.get("success")
    return "error_message" not in event.fields if said is None else said


def features(events: Events, people: People, span: Span) -> dict[str, Any]:
    found = {}
    for name, uses in groups(
        of(events, span, "feature", humans=True), lambda event: event.fields["feature_name"]
    ).items():
        well = sum(map(succeeded, uses))
        found[name] = {
            "feature_category": latest(uses, "event_category"),
            "total_uses": len(uses),
            "successful_uses": well,
            "success_rate": rate(well, len(uses)),
            "avg_duration_seconds": mean(use.fields.get("duration_seconds") for use in uses),
            "unique_users": len(people_of(uses, people)),
            "by_action": {
                action: sum(use.fields["action"] == action for use in uses)
                for action in ("opened", "used", "completed")
            },
        }
    return found


def context_of(event: Event) -> str:
    found = event.fields.get("context", "")
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))


def survey(name: str, answers: Events) -> dict[str, Any]:
    scores = [answer.fields["score"] for answer in answers]
    measure = {
        "nps": rate(sum(score >= 9 for score in scores) - sum(score <= 6 for score in scores), len(scores)),
        "csat": rate(sum(score >= 4 for score in scores), len(scores)),
        "ces": fmean(scores),
    }[name]
    return {
        "total_responses": len(scores),
        "avg_score": fmean(scores),
        "min_score": min(scores),
        "max_score": max(scores),
        name: measure,
    }


def satisfaction(events: Events, span: Span) -> dict[str, Any]:
    found = {}
    for name, answers in groups(
        of(events, span, "survey", humans=True), lambda event: event.fields["survey_type"]
    ).items():
        given = Counter(answer.fields["score"] for answer in answers)
        scale = range({"nps": 0}.get(name, 1), {"nps": 10, "csat": 5, "ces": 7}[name] + 1)
        found[name] = {
            **survey(name, answers),
            "distribution": {str(score): given[score] for score in sorted({*scale, *given})},
            "by_context": {context: survey(name, each) for context, each in groups(answers, context_of).items()},
        }
    return found


def tokens(event: Event) -> int:
    said = event.fields
    return said.get("total_tokens", said.get("prompt_tokens", 0) + said.get("completion_tokens", 0))


def ai(events: Events, people: People, span: Span) -> tuple[dict[Any, Any], dict[str, Any], list[Any]]:
    """(by model and provider, by person, by period)"""
    calls = of(events, span, "ai")
    models = {
        which: {
            "queries": len(each),
            "prompt_tokens": sum(call.fields.get("prompt_tokens", 0) for call in each),
            "completion_tokens": sum(call.fields.get("completion_tokens", 0) for call in each),
            "total_tokens": sum(map(tokens, each)),
            "cost_usd": sum(call.fields.get("cost_usd", 0) for call in each),
            "avg_ms": mean(call.fields.get("response_time_ms") for call in each),
            "p95_ms": percentile((call.fields.get("response_time_ms") for call in each), 0.95),
            "success_rate": rate(sum(map(succeeded, each)), len(each)),
        }
        for which, each in groups(calls, lambda call: (call.fields["model"], call.fields.get("provider"))).items()
    }
    users = {
        who: (len(each), sum(map(tokens, each)), sum(call.fields.get("cost_usd", 0) for call in each))
        for who, each in groups(calls, lambda call: person(call, people)).items()
        if who is not None
    }
    days = []
    for period in span.axis():
        each = [call for call in calls if span.period(call.us) == period]
        cost = sum(call.fields.get("cost_usd", 0) for call in each)
        days.append((iso(period), len(each), sum(map(tokens, each)), cost, sum(not succeeded(call) for call in each)))
    return models, users, days


def failed(event: Event) -> bool:
    status = event.fields.get("status_code")
    return status >= 400 if status is not None else event.fields.get("success") is False


def requests(each: Events) -> dict[str, Any]:
    times = [request.fields.get("response_time_ms") for request in each]
    statuses = [request.fields.get("status_code") or 0 for request in each]
    return {
        "requests": len(each),
        "avg_ms": mean(times),
        "p50_ms": percentile(times, 0.5),
        "p95_ms": percentile(times, 0.95),
        "p99_ms": percentile(times, 0.99),
        "error_rate": rate(sum(map(failed, each)), len(each)),
        "errors_4xx": sum(400 <= status < 500 for status in statuses),
        "errors_5xx": sum(status >= 500 for status in statuses),
    }


def performance(events: Events, span: Span) -> tuple[dict[Any, Any], dict[int, Any], list[Any], Any]:
    """(by endpoint and method, by hour of the day, by period, all)"""
    asked = of(events, span, "request")
    by = groups(asked, lambda request: (request.fields.get("endpoint"), request.fields.get("method")))
    zone = ZoneInfo(span.zone)
    hours = groups(asked, lambda request: (EPOCH + request.us * US).astimezone(zone).hour)
    days = groups(asked, lambda request: span.period(request.us))
    return (
        {which: requests(each) for which, each in by.items()},
        {hour: requests(hours.get(hour, [])) for hour in range(24)},
        [(iso(period), requests(days.get(period, []))) for period in span.axis()],
        requests(asked),
    )


def errors(events: Events, people: People, span: Span) -> tuple[dict[Any, Any], list[Any]]:
    """(by type and message, by period)"""
    ever = [event for event in events if event.kind == "error" and event.us < span.end]
    found = {}
    for which, each in groups(ever, lambda error: (error.fields["error_type"], error.fields["message"])).items():
        inside = [error for error in each if span.holds(error)]
        if inside:
            found[which] = {
                "count": len(inside),
                "users": len(people_of(inside, people)),
                "first_seen": at(min(error.us for error in each)),
                "last_seen": at(max(error.us for error in each)),
                "severity": latest(each, "severity"),
                "endpoint": latest(each, "endpoint"),
            }
    days = groups(of(events, span, "error"), lambda error: span.period(error.us))
    return found, [
        (iso(period), len(days.get(period, [])), len(people_of(days.get(period, []), people))) for period in span.axis()
    ]


def ends(event: Event) -> bool:
    return str(event.event_type).endswith("_completed")


def nameless(event: Event, order: str) -> bool:
    return ends(event) and event.fields[order] == UNNUMBERED


def funnels(events: Events, people: People, span: Span) -> dict[str, Any]:
    sent = of(events, span, "funnel", humans=True)
    told = [
        event
        for event in sent
        if not (ends(event) and event.fields.get("success") is False)
        and (event.id is not None or "session_id" in event.fields)
    ]
    found = {}
    for name, mine in groups(told, lambda event: event.fields["funnel_name"]).items():
        known: dict[str, str] = {}
        for event in sorted(mine, key=key):
            if event.id is not None and "session_id" in event.fields:
                known.setdefault(event.fields["session_id"], person(event, people) or "")

        def actor(event: Event, known: dict[str, str] = known) -> tuple[str, str]:
            session = event.fields.get("session_id")
            who = person(event, people) or known.get(session or "")
            return ("person", who) if who else ("session", session or "")

        stages = [event for event in mine if not nameless(event, "stage_order")]
        orders = {
            stage: min(event.fields["stage_order"] for event in each)
            for stage, each in groups(stages, lambda event: event.fields["stage"]).items()
        }
        reached = {stage: {actor(event) for event in stages if event.fields["stage"] == stage} for stage in orders}
        done = {actor(event) for event in mine if ends(event)}
        if not any(ends(event) and event.fields["funnel_name"] == name for event in sent):
            done = {who for stage in orders if orders[stage] == max(orders.values()) for who in reached[stage]}
        times: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
        for run in groups(mine, lambda event: (actor(event), event.fields.get("session_id"))).values():
            _time(run, times)
        started = {actor(event) for event in mine}
        found[name] = {
            "total_started": len(started),
            "total_completed": len(done),
            "stages": [
                {
                    "stage": stage,
                    "stage_order": order,
                    "users_reached": len(reached[stage]),
                    "users_completed": len(went),
                    "users_stopped": len(reached[stage] - went),
                    "reached_rate": rate(len(reached[stage]), len(started)),
                    "conversion_rate": rate(len(went), len(reached[stage])),
                    "drop_off_rate": rate(len(reached[stage] - went), len(reached[stage])),
                    "avg_time_to_stage_seconds": mean(to for to, _in in times[stage]),
                    "avg_time_in_stage_seconds": mean(inside for _to, inside in times[stage]),
                }
                for stage, order in sorted(orders.items(), key=lambda pair: (pair[1], pair[0]))
                for went in [
                    reached[stage] & done.union(*(reached[later] for later in orders if orders[later] > order))
                ]
            ],
        }
    return found


def _time(run: Events, times: dict[str, list[tuple[Any, Any]]]) -> None:
    """Adds (seconds to it, seconds in it) for each stage of a run."""
    arrivals: list[tuple[int, int, str | None, Any, Any]] = []
    stages = [event for event in run if not nameless(event, "stage_order")]
    for stage, each in groups(stages, lambda event: event.fields["stage"]).items():
        ordered = sorted(each, key=key)
        sent = [
            next((event.fields[name] for event in ordered if name in event.fields), None)
            for name in ("time_to_stage_seconds", "time_in_stage_seconds")
        ]
        place = min(event.fields["stage_order"] for event in each)
        arrivals.append((ordered[0].us, place, stage, *sent))
    over = [event.us for event in run if ends(event)]
    if over:
        arrivals.append((min(over), UNNUMBERED, None, None, None))
    arrivals.sort(key=lambda arrival: (arrival[0], arrival[1], arrival[2] is None, arrival[2] or ""))
    for number, (us, _place, stage, to, inside) in enumerate(arrivals):
        if stage is None:
            continue
        reached = (us - arrivals[0][0]) / 1e6
        stayed = (arrivals[number + 1][0] - us) / 1e6 if number + 1 < len(arrivals) else None
        times[stage].append((reached if to is None else to, stayed if inside is None else inside))


def journeys(events: Events, span: Span) -> tuple[dict[Any, Any], dict[Any, Any], dict[str, Any]]:
    """(by journey and step, by way, by journey)"""
    told = [
        event
        for event in of(events, span, "journey", humans=True)
        if not (ends(event) and event.fields.get("success") is False)
    ]
    runs = groups(told, lambda event: (event.fields["journey_type"], event.fields["session_id"]))
    steps: dict[Any, list[tuple[Any, str, bool, Any]]] = defaultdict(list)
    ways: dict[Any, list[bool]] = defaultdict(list)
    totals: dict[str, list[bool]] = defaultdict(list)
    for (journey, session), run in runs.items():
        run.sort(key=lambda event: (event.us, event.fields["step_order"], event.fields["event_id"]))
        done = any(map(ends, run))
        totals[journey].append(done)
        way: list[str] = []
        for number, event in enumerate(run):
            if nameless(event, "step_order"):
                continue
            step = event.fields["step_name"]
            lasted = event.fields.get("duration_seconds")
            if lasted is None and number + 1 < len(run):
                lasted = (run[number + 1].us - event.us) / 1e6
            steps[journey, step].append((lasted, session, done, event.fields["step_order"]))
            if not way or way[-1] != step:
                way.append(step)
        if way:
            ways[journey, tuple(way)].append(done)
    return (
        {
            which: {
                "step_order": min(place for *_, place in each),
                "step_count": len(each),
                "unique_sessions": len({session for _lasted, session, *_ in each}),
                "avg_time_in_step_seconds": mean(lasted for lasted, *_ in each),
                "completed_count": len({session for _lasted, session, done, _place in each if done}),
            }
            for which, each in steps.items()
        },
        {which: (len(each), sum(each)) for which, each in ways.items()},
        {journey: (len(each), sum(each)) for journey, each in totals.items()},
    )


def metrics(events: Events, span: Span) -> dict[Any, Any]:
    found = {}
    which = groups(
        of(events, span, "metric"),
        lambda event: tuple(event.fields.get(name) for name in ("metric_name", "component", "business_id")),
    )
    for name, each in which.items():
        periods = groups(each, lambda event: span.period(event.us))
        found[name] = {
            **numbers(each),
            "last": latest(each, "metric_value"),
            "unit": latest(each, "unit"),
            "category": latest(each, "category"),
            "points": [{"at": iso(period), **numbers(periods[period])} for period in sorted(periods)],
        }
    return found


def numbers(each: Events) -> dict[str, Any]:
    values = [event.fields["metric_value"] for event in each]
    return {
        "count": len(values),
        "avg": fmean(values),
        "min": min(values),
        "max": max(values),
        "sum": sum(values),
    }


def by_type(events: Events, span: Span) -> dict[str, tuple[int, Any]]:
    return {
        name: (len(each), mean(duration(event) for event in each))
        for name, each in groups(of(events, span), lambda event: event.event_type or event.name).items()
    }


def duration(event: Event) -> Any:
    said = event.fields
    if "duration_seconds" in said:
        return said["duration_seconds"] * 1000
    return said.get("duration_ms", said.get("response_time_ms"))


def before(span: Span) -> Span:
    """As many calendar days, or the same time."""
    zone = ZoneInfo(span.zone)
    first, last = ((EPOCH + us * US).astimezone(zone).date() for us in (span.start, span.end))
    if all((span.midnight(day) - EPOCH) // US == us for day, us in ((first, span.start), (last, span.end))):
        begins = (span.midnight(first - (last - first)) - EPOCH) // US
    else:
        begins = span.start - (span.end - span.start)
    return Span(begins, span.start, span.interval, span.zone, span.week_start)


def counted(events: Events, people: People, span: Span) -> dict[str, int]:
    first: dict[str, int] = {}
    for event in sorted(events, key=lambda event: event.us):
        if not event.bot and event.us < span.end and (who := person(event, people)) is not None:
            first.setdefault(who, event.us)
    active = people_of(of(events, span, humans=True), people)
    new = {who for who in active if first[who] >= span.start}
    return {"total": len(first), "active": len(active), "new": len(new), "returning": len(active - new)}


def lengths(events: Events, people: People, span: Span) -> tuple[int, float]:
    """(sessions, their mean seconds)"""
    found = visits(of(events, span, humans=True), people)
    seconds = [(visit[-1].us - visit[0].us) / 1e6 for _who, visit in found]
    return len(seconds), fmean(seconds) if seconds else 0


def active(events: Events, people: People, span: Span, days: int) -> int:
    """People of the calendar days that end with the last one of the range."""
    last = (EPOCH + (span.end - 1) * US).astimezone(ZoneInfo(span.zone)).date()
    starts = (span.midnight(last - timedelta(days=days - 1)) - EPOCH) // US
    window = Span(starts, span.end, "day", span.zone)
    return len(people_of(of(events, window, humans=True), people))


def came_back(events: Events, people: People, span: Span, day: int) -> tuple[int, int]:
    """(people who were new early enough, those who did something on the very day so much later)"""
    axis = span.axis()
    humans = [event for event in events if not event.bot and event.us < span.end]
    whole = returned = 0
    for who, each in groups(humans, lambda event: person(event, people)).items():
        began = min(event.us for event in each)
        if who is None or began < span.start:
            continue
        place = axis.index(span.period(began)) + day
        if place < len(axis):
            whole += 1
            returned += any(span.period(event.us) == axis[place] for event in each)
    return whole, returned
