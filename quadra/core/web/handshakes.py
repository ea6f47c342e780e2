"""A bound on Engine.IO sessions that have joined no namespace.

A session of a polling client is no connection: a single request makes one, without a key, and it stays for 40 seconds, or for
as long as somebody answers its pings. Connections are bounded (`connections.py`), and who has joined a namespace has shown a
key. Of the others the oldest are closed when there are too many: a client that means it joins with its next request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from quadra.core.ids import uuid7
from quadra.core.web.http import WSGIApp

MOST = 2_000
VERSION = "13"
"""Of WebSocket, the only one there is (RFC 6455)."""


def refuse_half(app: WSGIApp) -> WSGIApp:
    """`app`, which fails on a handshake of WebSocket that has not all its headers: that is told instead."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        if not asked or (
            environ.get("HTTP_SEC_WEBSOCKET_KEY") and environ.get("HTTP_SEC_WEBSOCKET_VERSION") == VERSION
        ):
            return app(environ, start_response)
        message = f"A handshake of WebSocket has Sec-WebSocket-Key, and Sec-WebSocket-Version: {VERSION}."
        request_id = uuid7()
        error = {"code": "invalid", "message": message, "fields": {}, "request_id": request_id}
        headers = [
            ("Content-Type", "application/json"),
            ("Sec-WebSocket-Version", VERSION),
            ("X-Request-ID", request_id),
        ]
        start_response("400 Bad Request", headers)
        return [orjson.dumps({"error": error})]

    return answer


class Handshakes:
    """The sessions of one Socket.IO server since they began, until they join."""

    def __init__(self, server: Any, most: int = MOST):
        self._server = server
        self._most = most
        self._waiting: dict[str, None] = {}
        self._generate_id: Callable[[], str] = server.eio.generate_id
        server.eio.generate_id = self._begin  # Engine.IO calls it once for each session

    def _begin(self) -> str:
        if len(self._waiting) >= self._most:
            self._make_room()
        found = self._generate_id()
        self._waiting[found] = None
        return found

    def _make_room(self) -> None:
        """Forget those who have joined or are gone; where that is less than a tenth, close the oldest."""
        self._waiting = {sid: None for sid in self._waiting if self._is_waiting(sid)}
        eio, oldest = self._server.eio, []
        for sid in list(self._waiting)[: len(self._waiting) - self._most * 9 // 10]:
            del self._waiting[sid]
            oldest.append(eio.sockets.pop(sid))
        for session in oldest:  # last: other greenlets may have their turn while one is closed
            session.close(wait=False, abort=True, reason=eio.reason.SERVER_DISCONNECT)

    def _is_waiting(self, sid: str) -> bool:
        manager = self._server.manager
        return sid in self._server.eio.sockets and not any(
            manager.sid_from_eio_sid(sid, namespace) for namespace in manager.get_namespaces()
        )
