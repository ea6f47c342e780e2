"""The browser tracker, served to any site: `GET /q.js`, and under the names that pages of Umami and Plausible load."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_file

blueprint = Blueprint("tracker", __name__)

SCRIPT = Path(__file__).parent / "static" / "q.js"


@blueprint.get("/q.js")
@blueprint.get("/script.js")
@blueprint.get("/js/script.js")
def tracker() -> Response:
    """The script; browsers keep it for an hour and then ask whether it changed."""
    response = send_file(SCRIPT, mimetype="text/javascript", max_age=3600, conditional=True)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
