"""A site of somebody else, of another origin than Quadra, for trackers in a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@contextmanager
def served(page: str, files: Mapping[str, bytes] | None = None) -> Iterator[str]:
    """Its address: `page` under every path but those of `files`, which are scripts."""
    scripts = files or {}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = scripts.get(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8" if script is None else "text/javascript")
            self.end_headers()
            self.wfile.write(page.encode() if script is None else script)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
