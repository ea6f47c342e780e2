"""The limits that Quadra is held against, as servers of their own: `python -m quadra.bench.reference lane|parse PORT`.

`lane` is the bare fast lane: Socket.IO that acknowledges and does nothing else, on eventlet with fast unmasking and handlers
on the underlying server. `parse` is a Flask route that only parses its JSON. Both are served as Quadra is.
"""

from __future__ import annotations

import sys
from typing import Any

import socketio
from eventlet.websocket import RFC6455WebSocket
from flask import Flask, Response, request

from quadra.core.web.http import OrjsonProvider
from quadra.core.web.loop import Loop
from quadra.core.web.realtime import WireJson
from quadra.core.web.server import listen
from quadra.ingest.doors.lane import unmask


def lane() -> Any:
    RFC6455WebSocket._apply_mask = staticmethod(unmask)
    server = socketio.Server(async_mode="eventlet", async_handlers=False, json=WireJson, cors_allowed_origins="*")
    server.on("connect", lambda sid, environ, auth=None: None)
    server.on("user:event", lambda sid, event: {"eventId": event["eventId"], "batchId": "-", "duplicate": False})
    server.on("user:events", lambda sid, events: {"stored": len(events), "duplicates": 0, "refused": []})
    return socketio.WSGIApp(server)


def parse() -> Any:
    app = Flask("parse")
    app.json = OrjsonProvider(app)

    @app.post("/api/events")
    def events() -> Response:
        found = request.get_json()
        return app.response_class(f'{{"stored": {len(found) and 1}}}', mimetype="application/json")

    return app


def main(which: str, port: int) -> None:
    loop = Loop("eventlet")
    loop.server(listen("127.0.0.1", port), {"lane": lane, "parse": parse}[which]()).start()
    while True:
        loop.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
