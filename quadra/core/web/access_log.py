"""A line for each request that was served, except those that would drown the others."""

from __future__ import annotations

import logging
from collections.abc import Collection

from quadra.core.web.served import Listener, Served

logger = logging.getLogger("quadra.access")

PROBES = frozenset(("/health", "/health/ready", "/health/startup", "/metrics"))
"""Asked every few seconds by programs: told at level DEBUG."""


def listener(counted: Collection[str]) -> Listener:
    """`counted` are the doors of ingest: their requests are in the metrics and told by the flush, not one by one."""

    def tell(served: Served) -> None:
        if served.endpoint in counted and served.status < 500:
            return
        level = logging.DEBUG if served.endpoint in PROBES and served.status < 400 else logging.INFO
        if not logger.isEnabledFor(level):
            return
        logger.log(
            level,
            "http.request.served",
            extra={
                "method": served.method,
                "path": served.endpoint,
                "status": served.status,
                "duration_ms": round(served.seconds * 1000, 3),
                "request_id": served.request_id,
                "user": served.actor,
                "project": served.project,
            },
        )

    return tell
