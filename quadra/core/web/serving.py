"""Tell of each request that was answered, once, whoever counts, logs or stores it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from flask import Flask, Response, g, request

from quadra.core.web.http import request_id
from quadra.core.web.served import Listener, Served, count

logger = logging.getLogger(__name__)

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
UNMATCHED = "unmatched"
"""The endpoint of what no route is for."""


def set_up(app: Flask, listeners: Sequence[Listener]) -> None:
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
