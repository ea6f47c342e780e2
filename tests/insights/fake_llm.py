"""A fake LLM: an HTTP server that speaks just enough of OpenAI's protocol to be good, slow, broken or malicious."""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = {
    "summary": "Clicks are as usual.",
    "confidence": 0.7,
    "patterns": ["Four people click."],
    "recommendations": ["Nothing to do."],
}


class FakeLlm:
    """`behave` is what the next answers are: `good`, `slow`, `drip`, `junk`, `close`, `huge`, `html`,
    `new names` (refuses the old name of the token cap), or a status as a number.

    `text` is what the good answer says. `requests` holds what was asked, `headers` how.
    """

    def __init__(self) -> None:
        self.behave: str | int = "good"
        self.text = json.dumps(GOOD)
        self.usage: dict[str, Any] = {"prompt_tokens": 1000, "completion_tokens": 50}
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        """Ends the slow answers."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                fake.requests.append(json.loads(self.rfile.read(size)))
                fake.headers.append({name.lower(): value for name, value in self.headers.items()})
                try:
                    fake._answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> FakeLlm:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, to: BaseHTTPRequestHandler) -> None:
        good = json.dumps({"choices": [{"message": {"role": "assistant", "content": self.text}}], "usage": self.usage})
        if isinstance(self.behave, int):
            message = "Incorrect API key provided: sk-test-0123456789" if self.behave == 401 else "no"
            self._send(to, json.dumps({"error": {"message": message}}), self.behave)
        elif self.behave == "new names" and "max_tokens" in self.requests[-1]:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            self._send(to, json.dumps({"error": {"message": message}}), 400)
        elif self.behave == "slow":
            self.release.wait(90)
        elif self.behave == "drip":
            to.send_response(200)
            to.send_header("Content-Length", str(len(good)))
            to.end_headers()
            for byte in good.encode():
                to.wfile.write(bytes([byte]))
                to.wfile.flush()
                if self.release.wait(0.2):
                    return
        elif self.behave == "close":
            to.connection.shutdown(socket.SHUT_RDWR)
            to.close_connection = True
        elif self.behave == "huge":
            self._send(to, " " * (3 * 2**20) + good)
        elif self.behave == "html":
            self._send(to, "<html>Welcome to nginx</html>")
        else:
            self._send(to, good)

    def _send(self, to: BaseHTTPRequestHandler, body: str, status: int = 200) -> None:
        to.send_response(status)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(body.encode())))
        to.end_headers()
        to.wfile.write(body.encode())
        time.sleep(0)
