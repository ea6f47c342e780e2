"""What a share link opens, without an account: one view's name and params, and the answers to exactly its questions.

Nothing that the caller sends reaches a question, and nothing here looks at a cookie or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue

from quadra.analytics.lens_list import lens_of, read_asked
from quadra.analytics.views.saved_views import find_shared
from quadra.core.errors import NotFound
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_network, limiter

blueprint = Blueprint("share", __name__)

SHARE_PAGE = "quadra.share_page"
"""The app's extension that shows a shared view to a browser: from the token and the JSON below; the dashboard sets it."""
Page = Callable[[str, dict[str, Any]], ResponseReturnValue]

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}

limited = limiter.shared_limit(
    lambda: f"{runtime().settings.rate_limit_share}/minute", scope="share", key_func=client_network
)


@blueprint.get("/share/<token>")
@limited
def show(token: str) -> ResponseReturnValue:
    with runtime().database.read() as session:
        view, _project = find_shared(session, token)
    shown = {"name": view.name, "page": view.page, "params": view.params, "keys": sorted(view.questions)}
    page: Page | None = current_app.extensions.get(SHARE_PAGE)
    if page is not None and request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
        return page(token, shown)
    return shown


@blueprint.get("/share/<token>/data/<key>")
@limited
def answer(token: str, key: str) -> ResponseReturnValue:
    with runtime().database.read() as session:
        view, project = find_shared(session, token)
    question = view.questions.get(key)
    if question is None:
        raise NotFound("This view asks no such question.")
    asked = read_asked(question["lens"], question["params"], project)
    shown: dict[str, Any] = msgspec.to_builtins(lens_of(question["lens"]).ask(runtime(), asked))
    shown.pop("insights", None)  # the overview's: of the whole project by name, whatever the view is filtered to
    return shown


@blueprint.after_request
def _tell_nobody(response: Response) -> Response:
    """The address is the secret: it stays out of caches, of search engines and of what other sites are told."""
    response.headers.update(HEADERS)
    return response
