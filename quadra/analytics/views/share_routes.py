"""What a share link opens, without an account: one view's name and params, and the answers to exactly its questions.

Nothing that the caller sends reaches a question, and nothing here looks at a cookie or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from flask import Response, current_app, make_response
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from quadra.analytics.lens_list import lens_of, read_asked
from quadra.analytics.views.saved_views import find_shared
from quadra.core.api.doors import Doors, answered
from quadra.core.api.openapi import Answer, Param
from quadra.core.errors import NotFound
from quadra.core.web.http import runtime, wants_page
from quadra.core.web.limits import client_network, limiter

doors = Doors("share", __name__)

SHARE_PAGE = "quadra.share_page"
"""The app's extension that shows a shared view to a browser: from the token and the answer below; the dashboard sets it."""
Page = Callable[[str, "SharedView"], ResponseReturnValue]

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}

limited = limiter.shared_limit(
    lambda: f"{runtime().settings.rate_limit_share}/minute", scope="share", key_func=client_network
)


TOKEN = Param(name="token", shape=str, example="qs_kq0R1nT")


class SharedView(Struct, kw_only=True):
    name: Annotated[str, Meta(examples=["Sign-ups"])]
    page: Annotated[str, Meta(examples=["trends"])]
    params: Annotated[dict[str, Any], Meta(examples=[{"event": "signed_up"}])]
    keys: Annotated[list[str], Meta(description="Of its questions.", examples=[["signups"]])]


@doors(
    "GET",
    "/share/{token}",
    title="Open a share link",
    says="A browser gets the page. Limited by address (setting `QUADRA_RATE_LIMIT_SHARE`).",
    named={"token": TOKEN},
    answers=SharedView,
    answer_says="What is shared.",
    lenient=True,
    refuses=(404, 429, 503),
)
@limited
def show(token: str) -> SharedView | Response:
    with runtime().database.read() as session:
        view, _project = find_shared(session, token)
    shown = SharedView(name=view.name, page=view.page, params=view.params, keys=sorted(view.questions))
    page: Page | None = current_app.extensions.get(SHARE_PAGE)
    return make_response(page(token, shown)) if page is not None and wants_page() else shown


@doors(
    "GET",
    "/share/{token}/data/{key}",
    title="Answer a shared question",
    says="As the question's own door does. Parameters in the address change nothing.",
    named={
        "token": TOKEN,
        "key": Param(name="key", shape=str, says="One of `keys`.", example="signups"),
    },
    answers=Answer(
        says="The answer of the question's lens.",
        shape=dict[str, Any],
        example={"series": [], "computed_at": "2026-01-31T12:00:00.000Z", "rows_read": 51_200, "elapsed_ms": 12.4},
    ),
    lenient=True,
    refuses=(404, 429, 503),
)
@limited
def answer(token: str, key: str) -> Response:
    with runtime().database.read() as session:
        view, project = find_shared(session, token)
    question = view.questions.get(key)
    if question is None:
        raise NotFound("This view asks no such question.")
    asked = read_asked(question["lens"], question["params"], project)
    shown: dict[str, Any] = msgspec.to_builtins(lens_of(question["lens"]).ask(runtime(), asked))
    shown.pop("insights", None)  # the overview's: of the whole project by name, whatever the view is filtered to
    return answered(shown)


@doors.blueprint.after_request
def _tell_nobody(response: Response) -> Response:
    """The address is the secret: it stays out of caches, of search engines and of what other sites are told."""
    response.headers.update(HEADERS)
    return response
