"""`quadra sink`: how sinks stand, pause, resume, replay."""

from __future__ import annotations

import click

from quadra.accounts import audit
from quadra.accounts.terminal import json_option, opened, say, table
from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.sinks import verbs
from quadra.sinks.answers import ShownSink, sink_shown
from quadra.sinks.registry import SINKS, Listed, without_library
from quadra.sinks.state import sink_states

FIELDS = ("name", "state", "lag_seconds", "pending_batches", "delivered_events", "quarantined_events", "last_error")


@click.group("sink")
def sink() -> None:
    """Where sealed batches are delivered: Kafka and others (docs/sinks.md)."""


@sink.command("list")
@json_option
def list_sinks(as_json: bool) -> None:
    """How every sink stands."""
    with opened() as runtime:
        shown = _shown(runtime)
        missing = [
            f"{one.title} is configured and its library is not installed. {one.advice}"
            for one in without_library(runtime.settings)
        ]
    names = " or ".join(one.variable for one in SINKS)
    lines = table(FIELDS, shown) if shown else [f"There are no sinks. Set {names}."]
    say(as_json, {"sinks": shown}, [*lines, *missing])


@sink.command("pause")
@click.argument("name")
@json_option
def pause_sink(name: str, as_json: bool) -> None:
    """Deliver nothing until it is resumed; what is sealed waits."""
    with opened() as runtime:
        found = verbs.find(runtime.settings, name)
        with runtime.database.begin() as session:
            verbs.pause(session, found)
            audit.record(session, actor=audit.COMMAND, action="sinks.sink.paused", subject=name)
        _say_one(runtime, found, as_json, f"{found.title} is paused.")


@sink.command("resume")
@click.argument("name")
@json_option
def resume_sink(name: str, as_json: bool) -> None:
    """Deliver what waited, in its order."""
    with opened() as runtime:
        found = verbs.find(runtime.settings, name)
        with runtime.database.begin() as session:
            verbs.resume(session, found)
            audit.record(session, actor=audit.COMMAND, action="sinks.sink.resumed", subject=name)
        _say_one(runtime, found, as_json, f"{found.title} goes on.")


@sink.command("replay")
@click.argument("name")
@click.option(
    "--from", "start", required=True, help="Batches that received events from this time on, such as 2026-01-31."
)
@click.option("--to", "end", help="Until this time; a date means through its end; left out: now.")
@json_option
def replay_sink(name: str, start: str, end: str | None, as_json: bool) -> None:
    """Deliver again, with the same event ids, what was received in a range."""
    with opened() as runtime:
        found = verbs.find(runtime.settings, name)
        first, last = verbs.read_range(start, end)
        count = verbs.replay(runtime.database, found, start=first, end=last)
        with runtime.database.begin() as session:
            details = {"from": clock.iso(first), "to": clock.iso(last), "batches": count}
            audit.record(session, actor=audit.COMMAND, action="sinks.sink.replayed", subject=name, details=details)
    say(
        as_json,
        {"name": name, "batches": count, "status": "queued"},
        [f"{count} batches wait for {found.title} again."],
    )


def _shown(runtime: Runtime) -> list[ShownSink]:
    with runtime.database.read() as session:
        return [sink_shown(state) for state in sink_states(session, runtime.settings)]


def _say_one(runtime: Runtime, found: Listed, as_json: bool, line: str) -> None:
    (one,) = (shown for shown in _shown(runtime) if shown.name == found.name)
    say(as_json, {"sink": one}, [line])
