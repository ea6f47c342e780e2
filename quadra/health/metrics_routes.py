"""`/metrics`, for Prometheus. On the event loop, so that it answers while every other thread hangs; never rate-limited."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, current_app, request

from quadra import __version__
from quadra.accounts.access import Credentials, admit
from quadra.core.errors import Forbidden, Unavailable
from quadra.core.limits import client_address, from_trusted_peer
from quadra.core.metrics import gauges
from quadra.core.metrics_server import allowed
from quadra.core.runtime import runtime
from quadra.core.scrape import CONTENT_TYPE, Scrape

blueprint = Blueprint("metrics", __name__)

PATH = "/metrics"
SCRAPE = "quadra.scrape"
FORWARDED = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded"}
KEY_SECONDS = 3.0


def set_up(app: Flask, scrape: Scrape) -> None:
    environment = app.extensions["quadra"].settings.environment
    info = {(__version__, environment): 1}
    scrape.live.append(lambda: [gauges("app_info", "What runs here.", ("version", "environment"), info)])
    app.extensions[SCRAPE] = scrape
    app.register_blueprint(blueprint)


@blueprint.get(PATH)
def show() -> Response:
    _require_reader()
    scrape: Scrape = current_app.extensions[SCRAPE]
    return Response(scrape.text(request.args.getlist("name[]")), content_type=CONTENT_TYPE)


def _require_reader() -> None:
    """This machine, a network of METRICS_ALLOW, or a read key. Raises `Forbidden`, `Unauthorised`, `Unavailable`."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        try:
            runtime().probes.run_within(KEY_SECONDS, admit, runtime().database, Credentials(key=key.strip()))
        except TimeoutError as error:
            raise Unavailable("The database does not answer; try again.") from error
        return
    # a proxy that nobody trusts speaks for somebody else: its own address opens nothing
    through_stranger = bool(FORWARDED & set(request.headers.keys())) and not from_trusted_peer()
    if through_stranger or not allowed(client_address(), runtime().settings.metrics_allow):
        raise Forbidden("Metrics need a read key (Authorization: Bearer qk_…), or a network of QUADRA_METRICS_ALLOW.")
