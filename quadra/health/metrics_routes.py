"""`/metrics`, for Prometheus. On the event loop, so that it answers while every other thread hangs; never rate-limited.

prometheus-flask-exporter serves it. What it shows is gathered here: of all processes of a start, and from the database with
a bound on the time, which the exporter's own gathering has not. Its default metrics are off: their names are not ours, and
they do not see what is answered before Flask (`core/web/served.py` counts both).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

from flask import Flask, request
from flask.typing import ResponseReturnValue
from prometheus_flask_exporter import PrometheusMetrics

from quadra import __version__
from quadra.accounts.access import Credentials, admit, check_installation
from quadra.core.errors import Forbidden, Unavailable
from quadra.core.observing.metrics import REGISTRY, gauges
from quadra.core.observing.metrics_server import allowed
from quadra.core.observing.scrape import CONTENT_TYPE, Scrape
from quadra.core.runtime import Runtime
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address, from_trusted_peer

PATH = "/metrics"
FORWARDED = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded"}
KEY_SECONDS = 3.0


def set_up(app: Flask, here: Runtime) -> None:
    scrape = here.kept(Scrape)
    info = {(__version__, here.settings.environment): 1}
    scrape.live.append(lambda: [gauges("app_info", "What runs here.", ("version", "environment"), info)])
    Exporter(scrape).init_app(app)


class Exporter(PrometheusMetrics):  # type: ignore[misc]
    """The exporter's endpoint, for those who may read it, with what `Scrape` gathers."""

    def __init__(self, scrape: Scrape):
        super().__init__(app=None, path=PATH, export_defaults=False, registry=REGISTRY, metrics_decorator=_for_readers)
        self._scrape = scrape

    def generate_metrics(
        self, accept_header: str | None = None, names: Sequence[str] | None = None
    ) -> tuple[bytes, str]:
        return self._scrape.text(names or ()), CONTENT_TYPE


def _for_readers(show: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
    @wraps(show)
    def checked() -> ResponseReturnValue:
        _require_reader()
        return show()

    return checked


def _require_reader() -> None:
    """This machine, a network of METRICS_ALLOW, or a key that sees the installation.

    Raises `Forbidden`, `Unauthorised`, `Unavailable`.

    Whoever needs no key is let in while the database cannot say whether the one they sent is good.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        try:
            check_installation(
                runtime().probes.run_within(KEY_SECONDS, admit, runtime().database, Credentials(key=key.strip()))
            )
        except (TimeoutError, Unavailable) as error:
            if not _from_near():
                raise Unavailable("The database does not answer; try again.") from error
    elif not _from_near():
        raise Forbidden(
            "Metrics need a read key of the project 'quadra' (Authorization: Bearer qk_…), or a network of QUADRA_METRICS_ALLOW."
        )


def _from_near() -> bool:
    # a proxy that nobody trusts speaks for somebody else: its own address opens nothing
    through_stranger = bool(FORWARDED & set(request.headers.keys())) and not from_trusted_peer()
    return not through_stranger and allowed(client_address(), runtime().settings.metrics_allow)
