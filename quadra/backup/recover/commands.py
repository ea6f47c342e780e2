"""`quadra recover`: what is printed at 3 a.m."""

from __future__ import annotations

import sys

import click

from quadra.accounts.terminal import json_option, opened, say
from quadra.backup.recover.recover import Report, Step, recover


@click.command("recover")
@click.option("--no-start", is_flag=True, help="Do not start the web process to see it work.")
@json_option
def recover_command(no_start: bool, as_json: bool) -> None:
    """Bring this installation back: look, repair only what is broken, restore only what is not there, prove it.

    A sound database is never replaced; what is damaged is moved aside, never deleted. Safe to run again.
    """

    def tell(step: Step) -> None:
        if not as_json:
            click.echo(f"{'ok  ' if step.ok else 'FAIL'} {step.name:9} {step.seconds:7.2f} s  {step.message}")

    with opened(None) as runtime:
        report = recover(runtime, tell, start=not no_start)
    say(as_json, _body(report), [_verdict(report)])
    if not report.ok:
        sys.exit(1)


def _body(report: Report) -> dict[str, object]:
    steps = [
        {"name": step.name, "ok": step.ok, "seconds": step.seconds, "message": step.message, "changed": step.changed}
        for step in report.steps
    ]
    return {"ok": report.ok, "steps": steps, "changed": report.changed, "seconds": report.seconds}


def _verdict(report: Report) -> str:
    if not report.ok:
        failed = ", ".join(step.name for step in report.steps if not step.ok)
        return f"NOT recovered after {report.seconds:.1f} s: see {failed} above."
    if not report.changed:
        return f"Nothing was broken and nothing was changed ({report.seconds:.1f} s)."
    return f"Recovered in {report.seconds:.1f} s: {', '.join(report.changed)}. Start Quadra now."
