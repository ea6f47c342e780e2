"""Long answers are packed where the client takes that; what is short, streamed or made by others goes out as it is."""

from __future__ import annotations

import gzip
import json

import pytest
from flask import Flask, Response, jsonify

from quadra.core.web import packed

LONG = {"values": list(range(3_000))}


@pytest.fixture
def app() -> Flask:
    app = Flask("packed")
    packed.set_up(app)
    app.add_url_rule("/long", "long", lambda: jsonify(LONG))
    app.add_url_rule("/short", "short", lambda: jsonify({"values": [1]}))
    app.add_url_rule("/longest", "longest", lambda: jsonify({"value": "x" * packed.LARGEST}))
    rows = json.dumps(LONG)
    app.add_url_rule("/stream", "stream", lambda: Response(iter([rows]), content_type="application/json"))
    app.add_url_rule("/page", "page", lambda: Response(rows, content_type="text/html"))
    return app


def test_a_long_answer_is_packed_for_who_takes_that(app: Flask) -> None:
    answer = app.test_client().get("/long", headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert json.loads(gzip.decompress(answer.data)) == LONG


def test_who_takes_no_packed_answer_gets_it_plain_and_caches_know(app: Flask) -> None:
    answer = app.test_client().get("/long")
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.json == LONG


@pytest.mark.parametrize("path", ["/short", "/longest", "/stream", "/page"])
def test_what_is_short_too_long_streamed_or_no_data_is_not_packed(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
