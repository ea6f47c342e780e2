"""`quadra demo`. It writes beside a running server as a writer of its own."""

from __future__ import annotations

import click

from quadra.accounts.projects import DEMO
from quadra.accounts.terminal import json_option, opened, say
from quadra.core.migrate import upgrade
from quadra.demo.run import run
from quadra.ingest.log import make_log


@click.command()
@click.option("--rate", type=click.FloatRange(0.1, 5_000), default=20, show_default=True, help="Events a second.")
@click.option("--seconds", type=click.FloatRange(0), help="End after this long; without it, at Ctrl-C.")
@click.option("--days", type=click.IntRange(0, 400), default=0, help="First make up this many days of history.")
@click.option("--seed", type=int, default=1, show_default=True, help="Use a different seed for different data.")
@json_option
def demo(rate: float, seconds: float | None, days: int, seed: int, as_json: bool) -> None:
    """Make up the traffic of a small shop, in the project `demo` and nowhere else.

    The same seed makes the same history, so that running it again stores no day twice.
    """
    with opened(upgrade) as runtime:
        done = run(runtime, make_log(runtime), rate=rate, seconds=seconds, days=days, seed=seed)
    body = {"project": DEMO, "stored": done.stored, "duplicates": done.duplicates}
    already = f" ({done.duplicates:,} were there already)" if done.duplicates else ""
    say(
        as_json,
        body,
        [
            f"Stored {done.stored:,} made-up events in the project {DEMO}{already}.",
            "They are on the dashboard under that project; quadra serve shows it.",
        ],
    )
