"""Let the demo's visits happen: days of history at once, then the present at a steady rate. Into the project `demo` only."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

import click

from quadra.accounts.projects import DEMO, create_project, get_project
from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.ids import uuid7
from quadra.core.runtime import Runtime
from quadra.demo.demo import Step, visit
from quadra.demo.kept import annotate_history, in_incident, keep_goals
from quadra.demo.people import NEW, Visitor, returning, second_of_day, visitor_of, visits_on, who_comes
from quadra.ingest.accept import Sender, accept
from quadra.ingest.agents import browser_of
from quadra.ingest.bulk import GROUP, append
from quadra.ingest.columns import Row
from quadra.ingest.importers import progress
from quadra.ingest.log import Log
from quadra.ingest.wire import Refused, from_dict

TICK_SECONDS = 0.25
THINKING_SECONDS = 12
"""How long a visitor takes for a step in the present: it decides how many are there at a time."""


@dataclass
class Done:
    stored: int = 0
    duplicates: int = 0


def run(runtime: Runtime, log: Log, *, rate: float, seconds: float | None, days: int, seed: int) -> Done:
    """Make the history, then the present until `seconds` are over or somebody presses Ctrl-C."""
    project_id, done = _project(runtime), Done()
    try:
        keep_goals(runtime, project_id)
        if days:
            annotate_history(runtime, project_id, clock.now(), days)
            _store(log, done, _history(project_id, seed, days, clock.now(), done))
        if seconds != 0:
            how_long = f"for {seconds:g} s" if seconds else "until Ctrl-C"
            click.echo(f"Sending about {rate:g} events a second to the project {DEMO} {how_long}.", err=True)
            _present(log, project_id, done, rate=rate, seconds=seconds, seed=seed)
    except KeyboardInterrupt:
        click.echo("", err=True)
    return done


def _project(runtime: Runtime) -> int:
    with runtime.database.begin() as session:
        try:
            return create_project(session, name="Demo", slug=DEMO).id
        except Conflict:
            return get_project(session, DEMO).id


def _history(project_id: int, seed: int, days: int, until: datetime, done: Done) -> Iterator[Row]:
    """Every event of the days up to `until`. The ids come from the seed and the day, so that no day is stored twice."""
    received = clock.to_us(until)
    first = until.date() - timedelta(days=days)
    with progress.shown("Making history", days + 1) as tell:
        for number in range(days + 1):
            day = first + timedelta(days=number)
            tell(number, f"{day}, {done.stored:,} stored")
            for event_id, visitor, at, fields in _day(seed, day):
                if until - timedelta(days=days) <= at < until:
                    yield _row(project_id, visitor, {**fields, "event_id": event_id}, at, received)


def _day(seed: int, day: date) -> Iterator[tuple[str, Visitor, datetime, dict[str, Any]]]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    odds = Random(f"{seed}:visits:{day}")
    for number in range(visits_on(seed, day)):
        visitor, at = who_comes(seed, day, number), midnight + timedelta(seconds=second_of_day(odds))
        session_id = f"{seed}-{day}-{number}"
        steps = visit(visitor, session_id, odds, in_incident=in_incident(at))
        for step_number, step in enumerate(steps):
            at += timedelta(seconds=step.after_seconds)
            yield f"demo-{session_id}-{step_number}", visitor, at, step.fields


def _store(log: Log, done: Done, rows: Iterator[Row]) -> None:
    group: list[Row] = []
    try:
        for row in rows:
            group.append(row)
            if len(group) >= GROUP:
                _append(log, done, group)
                group = []
    finally:
        _append(log, done, group)


def _present(log: Log, project_id: int, done: Done, *, rate: float, seconds: float | None, seed: int) -> None:
    """As many visitors at a time as the rate asks for; whose turn it is comes by chance."""
    odds, began, sent = Random(), time.monotonic(), 0.0
    turns: list[tuple[float, int, Visitor, Iterator[Step]]] = []
    wanted = max(1, round(rate * THINKING_SECONDS))
    for number in range(wanted):
        visitor, steps = _visitor(seed, odds)
        for _ in range(odds.randrange(6)):  # some have been here for a while
            next(steps, None)
        heapq.heappush(turns, (odds.random() * wanted, number, visitor, steps))
    while seconds is None or time.monotonic() - began < seconds:
        due = (time.monotonic() - began) * rate * odds.uniform(0.95, 1.0)
        group: list[Row] = []
        received = clock.now()
        while sent + len(group) < due and len(group) < GROUP:
            due, number, visitor, steps = heapq.heappop(turns)
            step = next(steps, None)
            while step is None:
                visitor, steps = _visitor(seed, odds)
                step = next(steps, None)
            heapq.heappush(turns, (due + odds.uniform(0.3, 1.7) * wanted, number, visitor, steps))
            group.append(_row(project_id, visitor, step.fields, received, clock.to_us(received)))
        sent += len(group)
        _append(log, done, group)
        time.sleep(TICK_SECONDS)


def _visitor(seed: int, odds: Random) -> tuple[Visitor, Iterator[Step]]:
    today = clock.now().date()
    # numbers above those of a day's history: one who is new now is nobody whom the history knows
    visitor = (
        visitor_of(seed, today, odds.randrange(10**6, 10**9)) if odds.random() < NEW else returning(seed, today, odds)
    )
    return visitor, visit(visitor, uuid7(), odds)


def _row(project_id: int, visitor: Visitor, fields: dict[str, Any], at: datetime, received_us: int) -> Row:
    """Through the same steps as everybody's events; one that is refused here is a mistake of ours."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        sender = _sender(project_id, visitor.agent, visitor.country)
        return accept(from_dict({**given, "timestamp": clock.iso(at)}), sender, received_us)
    except Refused as refused:
        raise AssertionError(f"the demo made an event that is refused: {refused.message}") from refused


@lru_cache(maxsize=256)
def _sender(project_id: int, user_agent: str, country: str | None) -> Sender:
    device_type, browser, os, bot, *_place = browser_of(user_agent)
    return Sender(project_id, "demo", device_type, browser, os, bot, country)


def _append(log: Log, done: Done, rows: list[Row]) -> None:
    if not rows:
        return
    received_us = clock.now_us()
    for row in rows:
        row.received_at = received_us  # history too arrives when it is stored: the live rate counts arrivals
    for outcome in append(log, rows):
        if isinstance(outcome, Refused):
            raise AssertionError(f"the database refused an event of the demo: {outcome.message}")
        done.duplicates += outcome[1]
        done.stored += not outcome[1]
