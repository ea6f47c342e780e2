"""The doors of saved views and share links, described."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from quadra.accounts.answers import Done
from quadra.analytics.lens_list import BY_PATH
from quadra.core.api.openapi import Answer, Body, Door, Group, Param, Shape, Time


class Share(Struct):
    shared_at: Time
    shared_by: str


class SavedQuestion(Struct):
    lens: str
    params: dict[str, Any] = {}


class SavedView(Struct):
    id: str
    project: str
    name: str
    page: str
    params: dict[str, Any]
    questions: dict[str, SavedQuestion]
    created_at: Time
    created_by: str
    share: Share | None


class SavedViews(Struct):
    saved_views: list[SavedView]
    cursor: str | None


class NewView(Struct):
    name: str
    page: str
    params: dict[str, Any] | None = {}
    questions: dict[str, SavedQuestion] | None = {}
    project: str | None = None


class ShareLink(Struct):
    token: str
    url: str


class SharedView(Struct):
    name: str
    page: str
    params: dict[str, Any]
    keys: list[str]


QUESTIONS = {"signups": {"lens": "trends", "params": {"event": "signed_up", "days": 30, "where": {"plan": "pro"}}}}
ASKED = {"name": "Sign-ups", "page": "trends", "params": {"event": "signed_up"}, "questions": QUESTIONS}
VIEW = {
    **ASKED,
    "id": "019be0c4-3c00-7000-8000-000000000001",
    "project": "shop",
    "created_at": "2026-01-31T12:00:00.000Z",
    "created_by": "user:ada@example.com",
    "share": None,
}
ID = Param(name="view_id", shape=str, example=VIEW["id"])
TOKEN = Param(name="token", shape=str, example="qs_kq0R1nT")
DONE = {"success": True}


def _door(method: str, path: str, title: str, says: str, status: int, answer: Answer, **more: Any) -> Door:
    params: tuple[Param, ...] = more.pop("params", (ID,) if "{view_id}" in path else ())
    return Door(method=method, path=path, title=title, says=says, params=params, answers={status: answer}, **more)


def _answer(says: str, shape: Shape, example: Any) -> Answer:
    return Answer(says=says, shape=shape, example=example)


SAVED = Group(
    title="Saved views and share links",
    says=(
        "A view is a page with its questions under a name. Its link shows it to people without an account: they get the "
        "answers to exactly these questions, always of now, and nothing else."
    ),
    doors=(
        _door(
            "GET",
            "/api/saved-views",
            "List saved views",
            "Of one project.",
            200,
            _answer("Newest first.", SavedViews, {"saved_views": [VIEW], "cursor": None}),
            needs="viewer",
            params=(
                Param(name="project", shape=str, says="Left out: the project of the key that asks, else `default`."),
                Param(name="limit", shape={"type": "integer", "minimum": 1, "maximum": 1_000, "default": 50}),
                Param(name="cursor", shape=str, says="Of the page before."),
            ),
            refuses=(404,),
        ),
        _door(
            "POST",
            "/api/saved-views",
            "Save a view",
            "`params` is whatever the page is opened with again. Each question names its lens (the end of its address: "
            f"{', '.join(f'`{lens}`' for lens in BY_PATH)}) and the parameters or the body it takes; it is read now, and "
            "what is wrong is named as `questions.<key>.params.<field>`.",
            201,
            _answer("It is saved.", SavedView, VIEW),
            needs="editor",
            body=Body(shape=NewView, example=ASKED),
            refuses=(404, 409),
        ),
        _door(
            "GET",
            "/api/saved-views/{view_id}",
            "Show a saved view",
            "",
            200,
            _answer("The view.", SavedView, VIEW),
            needs="viewer",
            refuses=(404,),
        ),
        _door(
            "DELETE",
            "/api/saved-views/{view_id}",
            "Delete a saved view",
            "Its link opens nothing any more.",
            200,
            _answer("It is gone.", Done, DONE),
            needs="editor",
            refuses=(404,),
        ),
        _door(
            "POST",
            "/api/saved-views/{view_id}/share",
            "Share a saved view",
            "A new link each time; the one before opens nothing any more.",
            201,
            _answer(
                "The link, shown only now: under QUADRA_PUBLIC_URL, or a path of this server where that is not set.",
                ShareLink,
                {"token": "qs_kq0R1nT", "url": "https://quadra.example.com/share/qs_kq0R1nT"},
            ),
            needs="editor",
            refuses=(404,),
        ),
        _door(
            "DELETE",
            "/api/saved-views/{view_id}/share",
            "Take a share link back",
            "Fine where there is none.",
            200,
            _answer("It opens nothing any more.", Done, DONE),
            needs="editor",
            refuses=(404,),
        ),
        _door(
            "GET",
            "/share/{token}",
            "Open a share link",
            "A browser gets the page. Limited by address (setting `QUADRA_RATE_LIMIT_SHARE`).",
            200,
            _answer(
                "What is shared.",
                SharedView,
                {"name": "Sign-ups", "page": "trends", "params": {"event": "signed_up"}, "keys": ["signups"]},
            ),
            params=(TOKEN,),
            refuses=(404, 429, 503),
        ),
        _door(
            "GET",
            "/share/{token}/data/{key}",
            "Answer a shared question",
            "As the question's own door does. Parameters in the address change nothing.",
            200,
            _answer(
                "The answer of the question's lens.",
                dict[str, Any],
                {"series": [], "computed_at": "2026-01-31T12:00:00.000Z", "rows_read": 51_200, "elapsed_ms": 12.4},
            ),
            params=(TOKEN, Param(name="key", shape=str, says="One of `keys`.", example="signups")),
            refuses=(404, 429, 503),
        ),
    ),
)
