"""One pass over the events of a batch: everything the finders ask about, added up. Pure; no event is kept.

Junk is expected here: fields are what senders wrote. A value of the wrong type counts as absent.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from quadra.insights.digest import Digest, Model, Place, Stage, largest
from quadra.insights.measures import HEADLINES, label, number, numberless, place_of, score_of, spread, text, timing
from quadra.insights.words import clean

HOUR_US = 3_600_000_000


class Line(NamedTuple):
    """What is read of an event. Times in microseconds since 1970."""

    kind: str
    event_type: str
    name: str
    user_id: str | None
    session_id: str | None
    occurred_at: int
    received_at: int
    page_url: str | None
    browser: str | None
    duration_ms: float | None
    value: float | None
    success: bool | None
    bot: bool
    fields: dict[str, Any] | None


class Seen:
    """A batch, added up."""

    def __init__(self) -> None:
        self.read = 0
        self.bots = 0
        self.failed = 0
        self.types: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.sessions: Counter[str] = Counter()
        self.hours: Counter[int] = Counter()
        """Start of an hour in microseconds -> events that occurred in it."""
        self.places: Counter[str] = Counter()
        self.place_failed: Counter[str] = Counter()
        self.durations: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()
        self.error_people: defaultdict[str, set[str]] = defaultdict(set)
        self.error_places: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.statuses: Counter[str] = Counter()
        self.browsers: Counter[str] = Counter()
        self.browser_failed: Counter[str] = Counter()
        self.failed_by_place: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Place -> browser -> failures."""
        self.funnels: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.stage_orders: dict[tuple[str, str], int] = {}
        self.scores: defaultdict[str, list[float]] = defaultdict(list)
        self.costs: defaultdict[str, list[float]] = defaultdict(list)
        self.model_failed: Counter[str] = Counter()
        self.model_tokens: Counter[str] = Counter()
        self.occurred: list[int] = []
        self.lags: list[int] = []

    def add(self, line: Line) -> None:
        self.read += 1
        self.bots += line.bot
        self.types[label(line.name)] += 1
        self.occurred.append(line.occurred_at)
        self.lags.append(line.received_at - line.occurred_at)
        self.hours[line.occurred_at // HOUR_US * HOUR_US] += 1
        if line.user_id and not line.bot:
            self.users[line.user_id] += 1
        if line.session_id and not line.bot:
            self.sessions[line.session_id] += 1
        self.add_special(line)

    def add_special(self, line: Line) -> None:
        """What is asked of an event beside how often its name, person, session and hour occur."""
        fields = line.fields if isinstance(line.fields, dict) else {}
        failed = line.kind == "error" or line.success is False
        place = place_of(text(fields, "endpoint") or line.page_url)
        self._add_outcome(line, fields, place, failed)
        if line.kind in KINDS:
            KINDS[line.kind](self, line, fields)

    def add_plain(self, place: str, browser: str, times: int) -> None:
        """The same of events that did not fail and have no fields."""
        for name, counted, failed in (
            (browser, self.browsers, self.browser_failed),
            (place, self.places, self.place_failed),
        ):
            if name:
                counted[name] += times
                failed[name] += 0

    def _add_outcome(self, line: Line, fields: dict[str, Any], place: str, failed: bool) -> None:
        browser = clean(line.browser) if line.browser else ""
        self.failed += failed
        if browser:
            self.browsers[browser] += 1
            self.browser_failed[browser] += failed
        if place:
            self.places[place] += 1
            self.place_failed[place] += failed
            if failed:
                self.failed_by_place[place][browser] += 1
            duration = number(line.duration_ms)
            if line.kind == "request" and duration is not None:
                self.durations[place].append(duration)
        status = fields.get("status_code")
        if failed and isinstance(status, int) and not isinstance(status, bool):
            self.statuses[str(status)[:3]] += 1

    def _add_error(self, line: Line, fields: dict[str, Any]) -> None:
        group = label(f"{text(fields, 'error_type') or line.name}: {numberless(text(fields, 'message'))}", 120)
        self.errors[group] += 1
        if who := line.user_id or line.session_id:
            self.error_people[group].add(who)
        if place := place_of(text(fields, "endpoint") or line.page_url):
            self.error_places[group][place] += 1

    def _add_stage(self, line: Line, fields: dict[str, Any]) -> None:
        name, stage, order = (
            label(text(fields, "funnel_name")),
            label(text(fields, "stage")),
            fields.get("stage_order"),
        )
        who = line.user_id or line.session_id
        if name and stage and who and not line.bot and isinstance(order, int):
            self.funnels[name][stage].add(who)
            self.stage_orders[(name, stage)] = min(order, self.stage_orders.get((name, stage), order))

    def _add_score(self, line: Line, fields: dict[str, Any]) -> None:
        kind, score = text(fields, "survey_type"), number(line.value)
        if kind in HEADLINES and score is not None:
            self.scores[kind].append(score)

    def _add_call(self, line: Line, fields: dict[str, Any]) -> None:
        model = label(text(fields, "model")) or "unnamed"
        self.costs[model].append(number(line.value) or 0.0)
        self.model_failed[model] += line.success is False
        total = fields.get("total_tokens")
        parts = (fields.get("prompt_tokens"), fields.get("completion_tokens"))
        tokens = total if isinstance(total, int) else sum(part for part in parts if isinstance(part, int))
        self.model_tokens[model] += max(0, min(tokens, 2**53))

    def digest(self, *, events: int, window_seconds: float | None) -> Digest:
        cut: list[str] = []
        places = {
            place: Place(events, self.place_failed[place], *timing(self.durations.get(place, [])))
            for place, events in self.places.items()
        }
        browsers = {name: (events, self.browser_failed[name]) for name, events in self.browsers.items()}
        funnels = {
            name: {stage: Stage(self.stage_orders[name, stage], len(who)) for stage, who in list(stages.items())[:12]}
            for name, stages in self.funnels.items()
        }
        sizes = Counter({name: sum(stage.people for stage in stages.values()) for name, stages in funnels.items()})
        answers = Counter({kind: len(scores) for kind, scores in self.scores.items()})
        models = self.models()
        calls = Counter({name: model.calls for name, model in models.items()})
        return Digest(
            events=events,
            read=self.read,
            window_seconds=window_seconds,
            bots=self.bots,
            identified=self.users.total(),
            people=len(self.users),
            busiest=max(self.users.values(), default=0),
            sessions=len(self.sessions),
            single_sessions=sum(1 for events in self.sessions.values() if events == 1),
            failed=self.failed,
            types=largest("types", self.types, self.types, cut),
            places=largest("places", places, self.places, cut),
            errors=largest("errors", self.errors, self.errors, cut),
            statuses=largest("statuses", self.statuses, self.statuses, cut),
            browsers=largest("browsers", browsers, self.browsers, cut),
            funnels=largest("funnels", funnels, sizes, cut),
            surveys={kind: score_of(kind, self.scores[kind]) for kind in sorted(answers)},
            models=largest("models", models, calls, cut),
            cut=cut,
        )

    def models(self) -> dict[str, Model]:
        """The AI models that were called, all of them."""
        return {
            name: Model(len(costs), self.model_failed[name], self.model_tokens[name], *spread(costs))
            for name, costs in self.costs.items()
        }


KINDS = {"error": Seen._add_error, "funnel": Seen._add_stage, "survey": Seen._add_score, "ai": Seen._add_call}
SPECIAL = frozenset((*KINDS, "request"))
"""Kinds of which more is asked than how often they occur."""


def add_up(lines: Iterable[Line]) -> Seen:
    seen = Seen()
    for line in lines:
        seen.add(line)
    return seen


def add_up_columns(rows: pa.Table) -> Seen:
    """The same as `add_up` of these rows: what is only counted is counted by column, and line by line only the rest."""
    seen, columns = Seen(), {name: _values(rows, name) for name in Line._fields}
    names, bots, occurred = columns["name"], columns["bot"], columns["occurred_at"]
    seen.read, seen.bots = len(names), sum(bots)
    seen.occurred = occurred
    seen.lags = [received - at for received, at in zip(columns["received_at"], occurred, strict=True)]
    seen.hours.update(at // HOUR_US * HOUR_US for at in occurred)
    for name, times in Counter(names).items():
        seen.types[label(name)] += times
    for counter, ids in ((seen.users, columns["user_id"]), (seen.sessions, columns["session_id"])):
        counter.update(one for one, bot in zip(ids, bots, strict=True) if one and not bot)
    plain: Counter[tuple[str | None, str | None]] = Counter()
    asked = (columns[name] for name in ("kind", "success", "fields", "page_url", "browser"))
    for at, (kind, success, fields, page_url, browser) in enumerate(zip(*asked, strict=True)):
        if fields is None and success is not False and kind not in SPECIAL:
            plain[page_url, browser] += 1
            continue
        given = {name: values[at] for name, values in columns.items()}
        seen.add_special(Line(**given | {"fields": None if fields is None else json.loads(fields)}))
    for (page_url, browser), times in plain.items():
        seen.add_plain(place_of(page_url), clean(browser) if browser else "", times)
    return seen


def _values(rows: pa.Table, name: str) -> list[Any]:
    column = rows[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    found: list[Any] = column.to_pylist()
    return found
