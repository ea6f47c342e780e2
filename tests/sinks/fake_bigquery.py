"""A fake of BigQuery's HTTP interface: tables are created, rows inserted by `insertAll`, and invalid ones refused as it does."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeBigQuery:
    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, list[dict[str, Any]]]] = []
        """(table, rows) of each insert that was answered 200, good or not."""
        self.rows: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        """Table -> insert id -> row: a repeated id is the same row."""
        self.poison: set[str] = set()
        """Insert ids that are invalid."""
        self.away = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.away:
            return 503, {"error": {"code": 503, "message": "backend error", "errors": [{"reason": "backendError"}]}}
        if method == "POST" and path.endswith("/tables"):
            name = body["tableReference"]["tableId"]
            if name in self.tables:
                return 409, {"error": {"code": 409, "message": "Already Exists", "errors": [{"reason": "duplicate"}]}}
            self.tables[name] = body
            return 200, body
        if method == "POST" and path.endswith("/insertAll"):
            return self._insert(path.split("/")[-2], body["rows"])
        return 404, {"error": {"code": 404, "message": f"{method} {path}"}}

    def _insert(self, table: str, rows: list[dict[str, Any]]) -> tuple[int, Any]:
        if table not in self.tables:
            return 404, {"error": {"code": 404, "message": f"Not found: Table {table}"}}
        self.requests.append((table, rows))
        bad = {at for at, row in enumerate(rows) if row.get("insertId") in self.poison}
        if bad:
            errors = [
                {
                    "index": at,
                    "errors": [{"reason": "invalid", "location": "properties", "message": "Invalid JSON"}]
                    if at in bad
                    else [{"reason": "stopped", "message": ""}],
                }
                for at in range(len(rows))
            ]
            return 200, {"kind": "bigquery#tableDataInsertAllResponse", "insertErrors": errors}
        for row in rows:
            self.rows[table][row["insertId"]] = row["json"]
        return 200, {"kind": "bigquery#tableDataInsertAllResponse"}


def _handler(fake: FakeBigQuery) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = fake.answer("POST", self.path.partition("?")[0], body)
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler
