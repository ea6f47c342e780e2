"""What is told of each request that was answered. `core/web/serving.py` tells it.

`endpoint` is the route's template, never the path: a path holds ids, names and whatever somebody typed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quadra.core.observing.metrics import counter, histogram

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


def count(method: str, endpoint: str, status: int, seconds: float) -> None:
    http_requests_total.labels(method, endpoint, str(status)).inc()
    http_request_duration_seconds.labels(method, endpoint).observe(seconds)
