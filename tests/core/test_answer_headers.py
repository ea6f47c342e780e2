"""Headers of every answer: private unless it is known to be public, and by https alone where it came by https."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from quadra.app import create_app
from quadra.core.errors import Misconfigured
from quadra.core.runtime import build
from quadra.core.settings import load
from tests.clients import Answer, send
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

PUBLIC = {"dashboard.static", "openapi.show", "dashboard.api_docs", "tracker.tracker", "tracker.more", "tracker.survey"}
"""Endpoints that answer everybody the same: whoever adds one says so here."""
HTTPS = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "198.51.100.7"}


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, {"QUADRA_TRUSTED_PROXIES": "127.0.0.1"})) as process:
        yield process


def ask(quadra: QuadraProcess, path: str, **headers: str) -> Answer:
    return send(quadra, path, method="GET", key=None, **headers)


def as_admin(quadra: QuadraProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {quadra.init['admin_key']}"}


def application(folder: Path, **settings: Any) -> Flask:
    """The whole web application; not started, only asked."""
    url, secret = f"sqlite:///{folder / 'quadra.db'}", "for these tests alone, which open no session"
    return create_app(build(load(data_dir=folder, database_url=url, secret_key=secret, **settings)))


def test_every_door_keeps_its_answers_out_of_caches_unless_it_is_public(quadra: QuadraProcess, tmp_path: Path) -> None:
    """Without a key and with an admin's: an error is private too, since it tells who may do what."""
    tried = 0
    for rule in application(tmp_path).url_map.iter_rules():
        if rule.endpoint in PUBLIC or rule.arguments or "GET" not in (rule.methods or ()):
            continue
        for headers in ({}, as_admin(quadra)):
            answer = ask(quadra, rule.rule, **headers)
            assert "no-store" in answer.headers.get("Cache-Control", ""), (rule, answer.status)
            assert answer.headers["X-Content-Type-Options"] == "nosniff", rule
        tried += 1
    assert tried > 40
    for path, body in (("/api/events", {"event_type": "a"}), ("/v1/batch", {"batch": []}), ("/nothing", None)):
        assert send(quadra, path, body).headers["Cache-Control"] == "no-store", path


def test_answers_of_polling_sockets_are_kept_out_of_caches(quadra: QuadraProcess) -> None:
    opened = ask(quadra, "/socket.io/?EIO=4&transport=polling")
    assert opened.status == 200
    assert opened.headers["Cache-Control"] == "no-store"
    sid = json.loads(opened.body[1:])["sid"]
    sent = send(quadra, f"/socket.io/?EIO=4&transport=polling&sid={sid}", b"40/live,{}", key=None)
    assert sent.headers["Cache-Control"] == "no-store"
    assert ask(quadra, "/socket.io/?EIO=4&transport=polling&sid=unknown").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/q.js", "/static/dashboard/app.css", "/static/dashboard/favicon.svg", "/api/docs", "/api/openapi.json"]
)
def test_what_is_public_may_be_kept(quadra: QuadraProcess, path: str) -> None:
    answer = ask(quadra, path)
    assert answer.status == 200
    assert "no-store" not in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/login", "/status", "/api/docs", "/share/nothing"])
def test_pages_allow_nothing_inline_no_frame_and_no_opener(quadra: QuadraProcess, path: str) -> None:
    headers = ask(quadra, path, Accept="text/html").headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert "geolocation=()" in headers["Permissions-Policy"]


def test_json_is_no_page(quadra: QuadraProcess) -> None:
    policy = ask(quadra, "/api/projects", **as_admin(quadra)).headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


def test_https_is_kept_to_where_a_trusted_proxy_says_that_it_was_used(quadra: QuadraProcess) -> None:
    for path in ("/login", "/api/openapi.json", "/nothing", "/static/dashboard/app.css"):
        assert ask(quadra, path, **HTTPS).headers["Strict-Transport-Security"] == "max-age=31536000", path
        assert "Strict-Transport-Security" not in ask(quadra, path).headers, path


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"trusted_proxies": ""}, None),
        ({"trusted_proxies": "127.0.0.1"}, "max-age=31536000"),
        ({"trusted_proxies": "127.0.0.1", "hsts": "max-age=60; includeSubDomains"}, "max-age=60; includeSubDomains"),
        ({"trusted_proxies": "127.0.0.1", "hsts": ""}, None),
        ({"public_url": "https://quadra.example"}, "max-age=31536000"),
    ],
    ids=["nobody is trusted", "trusted", "as set", "set to nothing", "the public address says so"],
)
def test_https_is_demanded_as_the_settings_say(settings: dict[str, str], sent: str | None, tmp_path: Path) -> None:
    app = application(tmp_path, **settings)
    headers = {name.replace("_", "-"): value for name, value in HTTPS.items()}
    environ = {"REMOTE_ADDR": "127.0.0.1"}
    with app.test_request_context("/api/openapi.json", headers=headers, environ_overrides=environ):
        assert app.full_dispatch_request().headers.get("Strict-Transport-Security") == sent


@pytest.mark.parametrize("value", ["31536000", "max-age=1\r\nX: y", "max-age=-1", "max-age=1; nonsense"])
def test_a_demand_for_https_that_browsers_cannot_read_is_refused_at_start(value: str) -> None:
    with pytest.raises(Misconfigured, match="HSTS"):
        load(hsts=value)
