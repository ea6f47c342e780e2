"""`quadra doctor`: the checks of `/health/detailed`, asked from a terminal, also where no server runs."""

from __future__ import annotations

import json
import sys

import click
import msgspec

from quadra.core import settings
from quadra.core.connections import raise_file_limit
from quadra.core.runtime import build
from quadra.core.setting_names import notes
from quadra.health.answers import detailed
from quadra.health.checks import CHECKS
from quadra.health.context import CheckContext
from quadra.health.runner import Runner
from quadra.health.verdict import DEGRADED, HEALTHY, UNHEALTHY, Report

MARKS = {HEALTHY: ("ok", "green"), DEGRADED: (DEGRADED, "yellow"), UNHEALTHY: (UNHEALTHY, "red")}
SAID = {
    HEALTHY: "Healthy.",
    DEGRADED: "Degraded: Quadra works; docs/health.md says what to do about each line.",
    UNHEALTHY: "Unhealthy: mend the unhealthy lines first; docs/health.md says how.",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, as /health/detailed answers.")
def doctor(as_json: bool) -> None:
    """Check database, Redis, workers, disk and all else. Exit code 1 when something is unhealthy."""
    runtime = build(settings.load())
    for note in notes():
        click.echo(note, err=True)
    runner = Runner(CheckContext(runtime, "command"), CHECKS)
    try:
        report = runner.report()
        if as_json:
            click.echo(json.dumps(msgspec.to_builtins(detailed(report, system=runner.context.system()))))
        else:
            _print(report)
    finally:
        runtime.database.dispose()
    if report.status == UNHEALTHY:
        sys.exit(1)


def _print(report: Report) -> None:
    soft, hard = raise_file_limit()
    click.echo(f"This account may open {soft} files in each process (limit {hard}); each connection is one.")
    width = max(len(one.name) for one in report.checks)
    for one in report.checks:
        mark, colour = MARKS[one.found.status]
        click.echo(f"{click.style(f'{mark:9}', fg=colour)}  {one.name:{width}}  {one.found.message}")
    click.echo(f"\n{SAID[report.status]}")
