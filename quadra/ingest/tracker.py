"""The browser tracker, served to any site: `GET /q.js`, what it loads, and the names that pages of Umami and Plausible load.

What set-up minified is served, unless its source was changed since.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, send_file

blueprint = Blueprint("tracker", __name__)

STATIC = Path(__file__).parent / "static"
MADE = STATIC / "min"
PATHS = {
    "/q.js": "q.js",
    "/script.js": "q.js",
    "/js/script.js": "q.js",
    "/q-more.js": "q-more.js",
    "/q-survey.js": "q-survey.js",
}


@cache
def script_of(name: str) -> Path:
    """The file to serve."""
    source, made = STATIC / name, MADE / name
    hashed = made.with_suffix(".sha256")
    if made.exists() and hashed.exists() and hashed.read_text() == hashlib.sha256(source.read_bytes()).hexdigest():
        return made
    return source


def serve(name: str) -> Response:
    """A script; browsers keep it for an hour and then ask whether it changed."""
    response = send_file(script_of(name), mimetype="text/javascript", max_age=3600, conditional=True)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def tracker() -> Response:
    return serve("q.js")


def more() -> Response:
    return serve("q-more.js")


def survey() -> Response:
    return serve("q-survey.js")


VIEWS = {"q.js": tracker, "q-more.js": more, "q-survey.js": survey}
for _path, _name in PATHS.items():
    blueprint.add_url_rule(_path, view_func=VIEWS[_name])
