"""The door for one machine: the web process with a worker beside it (`quadra serve`)."""

from __future__ import annotations

import logging

import click

from quadra import __version__
from quadra.accounts.setup import Initialised, initialise
from quadra.app import create_app
from quadra.companion import Companion
from quadra.core import file_modes, migrate, settings
from quadra.core.connections import bounds_of
from quadra.core.errors import Misconfigured
from quadra.core.observing import logs
from quadra.core.presence import Presence
from quadra.core.runtime import build
from quadra.core.web import http
from quadra.core.web.server import listen, run_until_told
from quadra.worker import TURN_SECONDS

logger = logging.getLogger(__name__)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of QUADRA_PORT.")
@click.option("--host", help="Instead of QUADRA_HOST.")
@click.option("--no-worker", is_flag=True, help="Only the web; `quadra worker` runs elsewhere.")
def serve(port: int | None, host: str | None, no_worker: bool) -> None:
    """Start Quadra: web, live dashboard and a worker beside it. Ctrl-C stops it cleanly."""
    given = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    runtime = build(settings.load(**given))
    logs.set_up(runtime.settings, "web", http.about_request)
    file_modes.mend(runtime.settings)
    migrate.upgrade(runtime.database)
    with runtime.database.begin() as session:
        made = initialise(session, settings=runtime.settings)
    try:
        listener = listen(runtime.settings.host, runtime.settings.port)
    except OSError as error:
        raise Misconfigured(
            f"Cannot listen on {runtime.settings.host}:{runtime.settings.port}: {error.strerror}. "
            "Set QUADRA_PORT to a free port (0 picks one)."
        ) from error
    presence = Presence(runtime)
    presence.enter()
    app = create_app(runtime)
    presence.attach()
    companion = Companion(stop_seconds=runtime.settings.job_grace.total_seconds() + TURN_SECONDS)
    if not no_worker:
        runtime.on_start.append(companion.start)
    name = f"[{runtime.settings.host}]" if ":" in runtime.settings.host else runtime.settings.host
    address = f"http://{name}:{listener.getsockname()[1]}"
    if runtime.settings.use_structured_logging:
        logger.info("serve.process.started", extra=started(address, made))
    else:
        click.echo("\n".join(greeting(address, made)))
    run_until_told(runtime, runtime.loop.server(listener, app, bounds_of(runtime.settings)))
    if not no_worker:
        companion.stop()
    runtime.close()
    if runtime.settings.use_structured_logging:
        logger.info("serve.process.stopped", extra={"reason": "Everything acknowledged is stored."})
    else:
        click.echo("Stopped: everything acknowledged is stored.")


def started(address: str, made: Initialised) -> dict[str, str]:
    """The same for a log, which is no place for secrets: how to make new ones."""
    ways = "quadra key create --project default --scope ingest"
    if made.admin_password:
        ways = f"quadra user password {made.admin_email}; {ways}"
    return {"address": address, "version": __version__, "admin": made.admin_email, "get_in": ways}


def greeting(address: str, made: Initialised) -> list[str]:
    """What a person reads at the start: where, how to get in, and a line to paste. Secrets only where they were just made."""
    lines = [f"Quadra {__version__} is running.", "", f"  Open       {address}", f"  Log in as  {made.admin_email}"]
    if made.admin_password:
        lines.append(f"  Password   {made.admin_password}")
    if made.write_key:
        lines += [
            f"  Write key  {made.write_key}",
            f"  Admin key  {made.admin_key}",
            "",
            "Keep these: they are shown only now. Paste this line into a page to see its visitors live:",
            "",
            f'  <script async src="{address}/q.js" data-key="{made.write_key}"></script>',
            "",
            "Or send an event:",
            "",
            f"  curl {address}/api/events -H 'X-Quadra-Key: {made.write_key}' -d '{{\"event_type\": \"hello\"}}'",
        ]
    else:
        lines += ["", f"Lost the password: quadra user password {made.admin_email}"]
        lines.append("Another write key: quadra key create --project default --scope ingest")
    return [*lines, "", "Ctrl-C stops it."]
