"""Headers that keep an answer with the one who asked: out of caches and frames, away from other sites, and by https alone.

Whatever is not public is private: a door that somebody adds is kept out of caches without saying so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

from quadra.core.web.addresses import over_tls
from quadra.core.web.http import WSGIApp, runtime

PUBLIC = frozenset({"/api/openapi.json", "/api/docs", "/docs"})
"""Paths that answer everybody the same, besides those that set `Cache-Control` themselves (static files, the tracker)."""

PAGE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
DATA = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
"""Of JSON, which a browser must not take for a page."""


def set_up(app: Flask) -> None:
    """Before the rooms: what is registered first runs last, and leaves alone what they said."""
    app.after_request(_protect)


def _protect(response: Response) -> Response:
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-cache" if request.path in PUBLIC else "no-store")
    for name, value in _of(response.mimetype).items():
        headers.setdefault(name, value)
    if (hsts := runtime().settings.hsts) and over_tls():
        headers["Strict-Transport-Security"] = hsts
    return response


def _of(mimetype: str | None) -> dict[str, str]:
    if mimetype == "text/html":
        return PAGE
    return DATA if mimetype == "application/json" else {}


def uncached(app: WSGIApp) -> WSGIApp:
    """`app` with answers that no cache keeps: for what answers below Flask, such as Socket.IO's polling."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [*headers, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
            return start_response(status, kept, *more)

        return app(environ, start)

    return answer
