"""`quadra validate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from quadra.accounts.terminal import json_option
from quadra.core import clock
from quadra.rollout.probe import Probe
from quadra.rollout.validation import Deployment, Finding, validate, verdict

MARKS = {"pass": "ok  ", "warn": "WARN", "fail": "FAIL", "skip": "-   "}


@click.command("validate")
@click.argument("url", envvar="QUADRA_PUBLIC_URL", default="http://127.0.0.1:5000")
@click.option("--key", envvar="QUADRA_VALIDATE_KEY", default="", help="An admin key; also from QUADRA_VALIDATE_KEY.")
@click.option("--email", default="", help="An account to log in with, and out again.")
@click.option("--password", envvar="QUADRA_VALIDATE_PASSWORD", default="", help="Also from QUADRA_VALIDATE_PASSWORD.")
@click.option("--timeout", default=10.0, show_default=True, type=click.FloatRange(0.1, 300), help="Seconds a request.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON report to this file too."
)
@click.option("-v", "--verbose", is_flag=True, expose_value=False, help="Changes nothing: each check is always shown.")
@json_option
def validate_command(
    url: str, key: str, email: str, password: str, timeout: float, report: Path | None, as_json: bool
) -> None:
    """Does the deployment at URL do its work? PASS, PARTIAL or FAIL; exit code 1 when it is FAIL.

    Without a URL it is QUADRA_PUBLIC_URL, else port 5000 of this machine.

    Without a key only what strangers may see is looked at, and the verdict is PARTIAL at best. With an admin key one event
    named quadra_validation is stored in the key's project and looked for.
    """

    def tell(one: Finding) -> None:
        if not as_json:
            click.echo(f"{MARKS[one.status]} {one.name:10} {one.message}  ({one.seconds:.2f} s)")

    with Probe(url, key=key, timeout_seconds=timeout) as probe:
        found = validate(Deployment(probe, key=key, email=email, password=password), tell)
    result = {
        "verdict": verdict(found),
        "url": url,
        "at": clock.iso(clock.now()),
        "checks": [
            {"name": one.name, "status": one.status, "message": one.message, "seconds": one.seconds} for one in found
        ],
    }
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()
    if report is not None:
        report.write_text(text + "\n")
    click.echo(text if as_json else result["verdict"])
    sys.exit(1 if result["verdict"] == "FAIL" else 0)
