"""Addresses of the systems that people come from. Each is another name of a door that is described elsewhere, and does the same.

`docs/coming-from.md` lists them; a test asks each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask_socketio import SocketIO

from quadra.core.runtime import Runtime

ALSO: Mapping[str, tuple[str, ...]] = {
    "/api/analytics/flush": ("/analytics/flush",),
    "/api/analytics/queries": ("/analytics/queries",),
    "/api/business/status": ("/business/status",),
    "/api/business/create": ("/business/create",),
    "/api/deployment/trigger": ("/deployment/trigger",),
    "/api/deployment/history": ("/deployment/history",),
    "/api/docs": ("/docs",),
}
"""A door's path -> its other ones."""
PAGES: Mapping[str, str] = {"/admin/analytics": "/overview"}
"""Pages of others -> the page to go to."""
SOCKETS = "/api/socket"
"""Socket.IO, beside SOCKET_PATH."""


class AlsoSockets:
    """WSGI, behind the door of events and in front of the threads: a socket stays on the loop."""

    def __init__(self, app: Callable[..., Iterable[bytes]], runtime: Runtime):
        self._app = app
        self._runtime = runtime

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(SOCKETS) and path in (SOCKETS, f"{SOCKETS}/"):
            answer: Iterable[bytes] = self._runtime.kept(SocketIO).server.handle_request(environ, start_response)
            return answer
        return self._app(environ, start_response)
