"""`quadra import` and `events tail`. An import writes beside a running server as a writer of its own."""

from __future__ import annotations

import contextlib
import sys
import time
from datetime import timedelta

import click

from quadra.accounts.commands import project_option
from quadra.accounts.projects import DEFAULT, get_project
from quadra.accounts.setup import installation_secret
from quadra.accounts.terminal import json_option, opened, say
from quadra.core import clock
from quadra.core.errors import NotFound, QuadraError
from quadra.core.migrate import upgrade
from quadra.core.runtime import Runtime
from quadra.core.setting_types import UNITS
from quadra.ingest import tail
from quadra.ingest.counts import Counts
from quadra.ingest.importers import formats, mapping, progress, shown, totals
from quadra.ingest.importers.access_log_events import Visitors
from quadra.ingest.importers.ids import Ids
from quadra.ingest.importers.items import Reading
from quadra.ingest.importers.run import Result, count, run
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times
from quadra.ingest.kinds import KINDS
from quadra.ingest.log import make_log
from quadra.ingest.places import Places

SECRET = "import"


class Span(click.ParamType[timedelta]):
    """`10m`, `90s`, `2h`, `1d`."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        text = str(value).strip()
        for unit in sorted(UNITS, key=len, reverse=True):
            number = text.removesuffix(unit)
            if number != text and number.replace(".", "", 1).isdecimal():
                return timedelta(seconds=float(number) * UNITS[unit])
        return self.fail(f"{text!r} is not a time such as 10m, 90s, 2h or 1d", param, ctx)


@click.command("import")
@click.argument("file")
@click.option("--format", "name", type=click.Choice(formats.NAMES), default="auto", show_default=True)
@project_option
@click.option("--time-column", metavar="NAME", help="The column or key that says when; else timestamp, time, date, …")
@click.option(
    "--map", "mapped", metavar="FIELD=COLUMN,…", help="Of a CSV: event=name,user=uid,time=ts and any other field."
)
@click.option("--undated-now", is_flag=True, help="Date rows without a time at the import; else they are refused.")
@click.option("--complete", is_flag=True, help="Nobody writes the file any more: take a last line without its newline.")
@click.option("--dry-run", is_flag=True, help="Store nothing: check everything, and show the first ten rows.")
@json_option
def import_(
    file: str,
    name: str,
    slug: str,
    time_column: str | None,
    mapped: str | None,
    undated_now: bool,
    complete: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import a file of events: an access log, NDJSON, JSON, CSV or Parquet, also as .gz; - is standard input.

    Importing a file again stores nothing twice, so an import that was stopped is run again. combined: access logs in
    Combined or Common format. ndjson: one JSON object a line, an event or a line of the JSON log of nginx, Caddy or
    Traefik. csv: a header that names a column event, event_type or kind, or --map; columns that Quadra does not know
    become properties. A file that Quadra exported gives the same events. umami, posthog, matomo: what those tools export;
    plausible, ga4: what they counted, as daily totals, not as events. Times without an offset are
    taken for UTC. docs/import.md says the rest.
    """
    result, began = Result(), time.monotonic()
    stopped = ""
    with opened(upgrade) as runtime, contextlib.closing(Source(file, complete=complete)) as source:
        project_id, secret = _prepared(runtime, slug)
        ids = Ids(secret)
        chosen = mapping.read(mapped, time_column)
        reading = Reading(Visitors(secret), Times(chosen.time, undated_now), runtime.the(Places), chosen.fields)
        format_name, found = formats.read(source, name, reading)
        with progress.shown(f"Importing {source.name}", source.size) as tell, contextlib.closing(ids):

            def told() -> None:
                tell(source.bytes_read, f"{result.read:,} read, {result.stored:,} stored")

            try:
                if isinstance(found, totals.Counted):
                    database = None if dry_run else runtime.database
                    totals.run(found, project_id=project_id, database=database, result=result, on_progress=told)
                else:
                    log = None if dry_run else make_log(runtime)
                    run(found, project_id=project_id, ids=ids, log=log, result=result, on_progress=told)
            except KeyboardInterrupt:
                stopped = "Stopped before the end."
            except QuadraError as error:
                if not result.read:  # it is the file or an option that is wrong: once more does not help
                    raise
                stopped = error.message
        if not dry_run:
            count(Counts(runtime), project_id, result)
    body = {name: getattr(result, name) for name in ("read", "stored", "duplicates", "refused", "bots")}
    if dry_run:
        body |= {"dry_run": True, "accepted": result.accepted, "rows": result.first}
    if stopped:
        body["error"] = stopped
    if source.unfinished:
        body["unfinished_line"] = source.unfinished
    refusals = [{"line": line, "reason": why} for line, why, _ in result.refusals]
    body |= {"format": format_name, "refusals": refusals}
    lines = _summary(result, source.name, format_name, slug, time.monotonic() - began, dry_run)
    if source.unfinished:
        lines.append(
            f"  line {source.unfinished} has no end yet and waits: import again when it is written, or with --complete"
        )
    say(as_json, body, lines)
    if stopped:
        click.echo(f"{stopped} Run the same command again: what is stored is not stored twice.", err=True)
    if stopped or (result.read and result.refused == result.read):
        sys.exit(1)


def _prepared(runtime: Runtime, slug: str) -> tuple[int, str]:
    """(the project's id, the secret that ids are made with). Raises `NotFound`."""
    with runtime.database.begin() as session:
        try:
            project = get_project(session, slug)
        except NotFound as error:
            raise NotFound(f"{error.message} Next: quadra {'init' if slug == DEFAULT else 'project list'}") from error
        return project.id, installation_secret(session, SECRET)


def _summary(result: Result, name: str, format_name: str, slug: str, seconds: float, dry_run: bool) -> list[str]:
    if not result.read:
        return [f"{name} holds nothing to import; nothing was stored."]
    lines = [f"Read {result.read:,} {_things(format_name, result.read)} of {name} in {seconds:.1f} s."]
    if dry_run:
        lines.append(f"  {result.accepted:>9,}  would be accepted; nothing was stored (--dry-run)")
        lines += [f"  {shown.as_line(row)}" for row in result.first]
    else:
        lines.append(f"  {result.stored:>9,}  stored in project {slug}")
        lines.append(f"  {result.duplicates:>9,}  were there already")
    lines.append(f"  {result.refused:>9,}  refused")
    if format_name not in formats.TOTALS:
        lines.append(f"  {result.bots:>9,}  of bots: marked, and left out of questions about people")
    place = "item" if format_name == "json" else "line"
    lines += [f"  {place} {line}: {why}\n      {begins!r}" for line, why, begins in result.refusals]
    if (more := result.refused - len(result.refusals)) > 0:
        lines.append(f"  and {more:,} more were refused")
    if result.refused == result.read:
        lines.append(f"  All were refused. They were read as {format_name}: --format names another one.")
    return lines


def _things(found: str, count: int) -> str:
    one = {"csv": "row", "json": "item"}.get(found, "line")
    return one if count == 1 else f"{one}s"


@click.group()
def events() -> None:
    """Look at events as they come."""


@events.command("tail")
@project_option
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only events of this kind.")
@click.option("--name", help="Only events of this name.")
@click.option("--since", type=Span(), default="0s", help="Begin with what came in this long ago, such as 10m.")
@click.option("--no-follow", is_flag=True, help="End with the newest event instead of waiting for more.")
@json_option
def tail_(slug: str, kind: str | None, name: str | None, since: timedelta, no_follow: bool, as_json: bool) -> None:
    """Print events as they are stored, one a line, until Ctrl-C. Times are UTC; --json prints one object a line."""
    with opened() as runtime:
        with runtime.database.read() as session:
            project_id = get_project(session, slug).id
        follower = tail.Follower(
            runtime.database,
            project_id,
            since=clock.now() - since,
            batch_max_age=runtime.settings.batch_max_age,
            kind=kind,
            name=name,
        )
        with contextlib.suppress(KeyboardInterrupt):
            tail.follow(follower, as_json=as_json, forever=not no_follow)
