"""`quadra bench`: run the suite, keep the figures, compare them with earlier ones."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from quadra.bench import field, ingest, options, page, pieces
from quadra.bench.lenses import run as run_lenses
from quadra.bench.machine import machine
from quadra.bench.pieces import SUITES
from quadra.bench.replicas import run as run_replicas
from quadra.bench.rest import run as run_rest
from quadra.bench.scale import run as run_scale
from quadra.bench.scaled import Scale
from quadra.bench.soak import Soak
from quadra.bench.soak import run as run_soak
from quadra.bench.suite import ITERATIONS, BenchmarkSuite, load_results

REST_SECONDS = 60.0


@click.command()
@click.option("--postgres", help="URL of an empty PostgreSQL database to measure too; its tables are filled.")
@click.option(
    "--replicas",
    metavar="REDIS_URL",
    help="Measure only how soon an event is on a dashboard of another replica, joined by this Redis; needs --postgres.",
)
@click.option(
    "--scale", is_flag=True, help="Measure only what grows with history: 10⁵, 10⁶, 10⁷ and 5·10⁷ stored events."
)
@click.option(
    "--until", type=click.IntRange(1), default=10_000_000, show_default=True, help="Stored events, of --scale."
)
@click.option("--lenses", is_flag=True, help="Measure only how long questions about 10⁶ events of 30 days take.")
@click.option(
    "--rest", is_flag=True, help="Measure only what Quadra uses while nobody sends and one dashboard is open."
)
@click.option(
    "--soak",
    is_flag=True,
    help="Only send four fifths of what Quadra takes for long, then twice as much, and look whether anything is lost.",
)
@click.option(
    "--steady-minutes", type=click.FloatRange(0.01, 24 * 60), default=30.0, show_default=True, help="Of a soak."
)
@click.option(
    "--overload-minutes", type=click.FloatRange(0.01, 24 * 60), default=10.0, show_default=True, help="Of a soak."
)
@click.option(
    "--saturation", type=click.IntRange(1), help="Of a soak: events a second, where it is not to be found first."
)
@click.option("--after-seconds", type=click.IntRange(1, 3600), default=60, show_default=True, help="Of a soak.")
@click.option("--field", "only_field", is_flag=True, help="Measure only how fast the field scores events, on one core.")
@click.option(
    "--iterations",
    type=click.IntRange(1, 1_000_000),
    help="Only time small pieces of work so many times each, in suites.",
)
@click.option(
    "--suite", "suites", multiple=True, type=click.Choice(list(SUITES), case_sensitive=False), help="Of these."
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 1_000),
    default=3,
    show_default=True,
    help="Pairs of (limit, Quadra) for each figure.",
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3_600), default=4.0, show_default=True, help="Length of each run."
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False, writable=True), help="Write the figures as JSON."
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An earlier JSON file to compare with.",
)
@click.option(
    "--keep",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Keep the figures in this folder (docs/benchmarks) and make its page and plots anew.",
)
def bench(
    postgres: str | None,
    replicas: str | None,
    scale: bool,
    until: int,
    lenses: bool,
    rest: bool,
    soak: bool,
    steady_minutes: float,
    overload_minutes: float,
    saturation: int | None,
    after_seconds: int,
    only_field: bool,
    iterations: int | None,
    suites: tuple[str, ...],
    rounds: int,
    seconds: float,
    output: Path | None,
    compare: Path | None,
    folder: Path | None,
) -> None:
    """Measure ingest on this machine, against its limits measured in the same minutes.

    With --iterations or --suite small pieces of work instead: NumPy, JSON, field, database, ingest, lenses.
    """
    options.check(click.get_current_context())
    before = signal.signal(signal.SIGTERM, _end)
    click.get_current_context().call_on_close(partial(signal.signal, signal.SIGTERM, before))
    kept = Kept(output, folder)
    if iterations or suites:
        time_pieces(iterations or ITERATIONS, suites, output, compare)
    elif soak:
        database = "PostgreSQL" if postgres else "SQLite"
        soaked = Soak(
            machine(), database, min(60.0, steady_minutes * 60), steady_minutes, overload_minutes, after_seconds
        )
        soaked.saturation_per_second = saturation or 0
        try:
            run_soak(soaked, postgres, keep=partial(kept.write, f"soak-{database.lower()}"), say=click.echo)
        except AssertionError as fault:
            raise click.ClickException(str(fault)) from None
        finally:
            kept.page()
    elif scale:
        shared = (postgres, replicas) if postgres and replicas else None
        grown = Scale(machine())
        keep = partial(kept.write, "scale")
        run_scale(grown, until=until, seconds=seconds, shared=shared, keep=keep, say=click.echo)
        kept.page()
    elif lenses:
        asked = run_lenses(machine(), rounds=rounds)
        for title, lens in asked.lenses.items():
            click.echo(f"{title}: {lens.median_ms} ms, the first time {lens.first_ms} ms")
        kept.put("lenses", asked)
    elif rest:
        found = run_rest(machine(), seconds=REST_SECONDS)
        click.echo(
            f"web {found.web_percent} % of a core, {found.web_mb} MB; worker {found.worker_percent} %, {found.worker_mb} MB"
        )
        kept.put("rest", found)
    elif only_field:
        facts, scored = machine(), field.run(rounds=rounds, seconds=seconds)
        for one in scored:
            click.echo(f"{one['name']}: {one['per_second']:,}/s" + (f" (goal {one['goal']:,})" if one["goal"] else ""))
        kept.put("field", {"machine": facts, "field": scored})
    elif replicas and postgres:
        facts = machine()
        across = run_replicas(postgres, replicas, events=max(20, int(rounds * seconds * 10)), say=click.echo)
        kept.put("replicas", {"machine": facts, "replicas": across})
    else:
        earlier = read_earlier(compare) if compare else None
        report = measure_ingest(postgres, rounds, seconds)
        kept.put("ingest", report)
        if earlier:
            click.echo("\n".join(changes(earlier, report)))


def _end(number: int, frame: object) -> NoReturn:
    """Ended early: what was started is ended on the way out."""
    sys.exit(128 + number)


class Kept:
    """Where figures go."""

    def __init__(self, output: Path | None, folder: Path | None):
        self._output = output
        self._folder = folder

    def write(self, name: str, report: object) -> None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
        for path in (self._output, self._folder and self._folder / f"{name}.json"):
            if path:
                page.replace(path, text)

    def page(self) -> None:
        if self._folder:
            page.make(self._folder)

    def put(self, name: str, report: object) -> None:
        self.write(name, report)
        self.page()


def measure_ingest(postgres: str | None, rounds: int, seconds: float) -> dict[str, Any]:
    databases: dict[str, str | None] = {"SQLite": None}
    if postgres:
        databases["PostgreSQL"] = postgres
    else:
        click.echo("PostgreSQL is not measured: name one with --postgres.", err=True)
    facts = machine()
    results = ingest.run(databases, rounds=rounds, seconds=seconds, say=click.echo)
    return {"machine": facts, "rounds": rounds, "seconds": seconds, "ingest": results}


def time_pieces(iterations: int, suites: tuple[str, ...], output: Path | None, compare: Path | None) -> None:
    if compare:
        load_results(compare)  # what cannot be compared with is said before the minutes that measuring takes
    suite = BenchmarkSuite(iterations, machine())
    pieces.run(suite, suites, lambda line: click.echo(line, err=True))
    suite.print_summary()
    if output:
        suite.save_results(output)
    if compare:
        click.echo("\n".join(["Compared with the earlier run:", *suite.compare(compare)]))


def read_earlier(path: Path) -> dict[str, Any]:
    """Before the minutes that measuring takes. Raises `UsageError`."""
    try:
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        {result["name"]: (result["ratio"], result["cpu_us_per_event"]) for result in found["ingest"]}
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise click.UsageError(f"--compare: {path} holds no figures of `quadra bench --output FILE`.") from error
    return found


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """One line for each figure that both reports have: ratios, since absolute figures of two days say little."""
    earlier = {result["name"]: result for result in before["ingest"]}
    lines = ["Compared with the earlier run:"]
    for result in after["ingest"]:
        old = earlier.get(result["name"])
        if old is None:
            continue
        first, second = old["ratio"], result["ratio"]
        ratio = f"ratio {first:.2f} -> {second:.2f}, " if first and second else ""
        lines.append(
            f"  {result['name']}: {ratio}CPU {old['cpu_us_per_event']} -> {result['cpu_us_per_event']} µs an event"
        )
    return lines
