"""Each request that was answered, told once to whoever counts, logs or stores it.

`endpoint` is the route's template, never the path: a path holds ids, names and whatever somebody typed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, g, request

from quadra.core.http import request_id
from quadra.core.metrics import counter, histogram

logger = logging.getLogger(__name__)

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
UNMATCHED = "unmatched"
"""The endpoint of what no route is for."""

http_requests_total = counter("http_requests_total", "Requests answered.", ("method", "endpoint", "status"))
http_request_duration_seconds = histogram(
    "http_request_duration_seconds", "From the first look at a request until its answer began.", ("method", "endpoint")
)


@dataclass(frozen=True, slots=True)
class Served:
    method: str
    endpoint: str
    status: int
    seconds: float
    request_id: str
    actor: str
    """As the audit log names them; empty where nobody had to be known."""
    project: str
    """The slug; empty where the request was about none."""


Listener = Callable[[Served], None]
"""Called on the thread that answered, which may be the event loop: must not block."""


def set_up(app: Flask, listeners: list[Listener]) -> None:
    """First of all rooms: what is registered first runs last on the way out, and sees the final status."""

    def begin() -> None:
        g.began = time.perf_counter()

    def end(response: Response) -> Response:
        served = Served(
            method=request.method if request.method in METHODS else "OTHER",
            endpoint=request.url_rule.rule if request.url_rule is not None else UNMATCHED,
            status=response.status_code,
            seconds=time.perf_counter() - g.get("began", time.perf_counter()),
            request_id=request_id(),
            actor=g.get("actor", ""),
            project=g.get("project", ""),
        )
        count(served.method, served.endpoint, served.status, served.seconds)
        for listener in listeners:
            try:
                listener(served)
            except Exception:  # whoever watches must not spoil the answer
                logger.exception("http.listener.failed")
        return response

    app.before_request(begin)
    app.after_request(end)


def count(method: str, endpoint: str, status: int, seconds: float) -> None:
    http_requests_total.labels(method, endpoint, str(status)).inc()
    http_request_duration_seconds.labels(method, endpoint).observe(seconds)
