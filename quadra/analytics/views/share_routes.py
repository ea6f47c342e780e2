"""What a share link opens, without an account: one view's name and params, and the answers to exactly its questions.

The caller chooses among the keys of the view; nothing else that they send reaches a question, and nothing here looks at a
cookie or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from flask import Response, current_app, make_response, request
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from quadra.accounts.tables import Project
from quadra.analytics.ask_routes import LINES, SEVERAL, reply
from quadra.analytics.asking import QUESTIONS_MOST, read_all
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.analytics.tables import SavedView
from quadra.analytics.views.saved_views import SavedQuestion, find_shared
from quadra.core.api.doors import Doors, answered
from quadra.core.api.openapi import Answer, Param
from quadra.core.api.params import Params
from quadra.core.errors import Invalid, NotFound
from quadra.core.web.http import runtime, wants_page
from quadra.core.web.limits import client_network, limiter

doors = Doors("share", __name__)

SHARE_PAGE = "quadra.share_page"
"""The app's extension that shows a shared view to a browser: from the token and the answer below; the dashboard sets it."""
Page = Callable[[str, "SharedView"], ResponseReturnValue]

HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


def _rate() -> str:
    return f"{runtime().settings.rate_limit_share}/minute"


def _as_many() -> int:
    """Each question counts as one request; a limit below what one page asks lets it ask all the same.

    Whatever the address holds counts, without a look at names: what raises here passes for a broken Redis.
    """
    named = sum(1 + value.count(",") for _name, value in request.args.items(multi=True))
    return min(max(1, named), QUESTIONS_MOST, runtime().settings.rate_limit_share)


limited = limiter.shared_limit(_rate, scope="share", key_func=client_network)
limited_by_questions = limiter.shared_limit(_rate, scope="share", key_func=client_network, cost=_as_many)

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
    view, project = _opened(token)
    question = _question(view, key)
    asked = read_asked(question.lens, question.params, project)
    return answered(_public(lens_of(question.lens).ask(runtime(), asked)))


class Which(Struct, kw_only=True):
    keys: Annotated[tuple[str, ...], Meta(description=f"Up to {QUESTIONS_MOST}: `a,b`.", examples=["signups"])]


KEYS = Params(Which)


@doors(
    "GET",
    "/share/{token}/data",
    title="Answer several shared questions",
    says="Those of the view whose `keys` are named, in that order, about one moment. Each key is among the answers, or among "
    "the errors with what its own address says. Each question counts as one request against the limit. With "
    f"`Accept: {LINES}` each is a line of its own, as `POST /api/analytics/ask` sends it.",
    named={"token": TOKEN},
    asks=KEYS,
    answers=SEVERAL,
    refuses=(404, 429, 503),
)
@limited_by_questions
def answer_several(asked: Which, token: str) -> Response:
    view, project = _opened(token)
    if not 0 < len(asked.keys) <= QUESTIONS_MOST:
        raise Invalid(fields={"keys": f"1 to {QUESTIONS_MOST} of the view's, with commas"})
    questions = {key: _question(view, key) for key in asked.keys}
    return reply(replace(read_all(runtime(), project, questions, lambda _needs: None), shown=_public))


def _opened(token: str) -> tuple[SavedView, Project]:
    with runtime().database.read() as session:
        return find_shared(session, token)


def _question(view: SavedView, key: str) -> SavedQuestion:
    if (question := view.questions.get(key)) is None:
        raise NotFound("This view asks no such question.")
    return SavedQuestion(**question)


def _public(answer: Struct) -> dict[str, Any]:
    """Without the overview's insights, which are of the whole project, whatever the view is filtered to."""
    shown: dict[str, Any] = msgspec.to_builtins(answer)
    shown.pop("insights", None)
    return shown


@doors.blueprint.after_request
def _tell_nobody(response: Response) -> Response:
    """The address is the secret: it stays out of caches, of search engines and of what other sites are told."""
    response.headers.update(HEADERS)
    return response
