"""Saved views: a page with its questions under a name, and the link that shows it to people without an account.

A view belongs to one project and its questions are read with that project, now and each time they are answered; nothing in
them can name another one. A link opens one view and nothing else: the token is random and kept as a hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.params import OF_KEY
from quadra.accounts.tables import Project
from quadra.analytics.lens_list import BY_PATH, read_asked
from quadra.analytics.tables import NAME_MOST, SavedView
from quadra.core import clock
from quadra.core.api.raw_params import RawParams
from quadra.core.errors import Invalid, NotFound

START = "qs_"
LONGEST = 100
"""A token beyond this is not even hashed."""
BYTES_MOST, QUESTIONS_MOST = 64 * 1024, 40
PAGE = re.compile(r"[a-z0-9][a-z0-9/_-]{0,63}")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


EXAMPLE = {"signups": {"lens": "trends", "params": {"event": "signed_up", "days": 30, "where": {"plan": "pro"}}}}


class SavedQuestion(Struct, kw_only=True):
    lens: str
    params: dict[str, Any] = {}


class NewView(Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=NAME_MOST, examples=["Sign-ups"])]
    page: Annotated[str, Meta(pattern=f"^{PAGE.pattern}$", description="The slug of a page.", examples=["trends"])]
    params: Annotated[dict[str, Any], Meta(examples=[{"event": "signed_up"}])] = {}
    questions: Annotated[dict[str, SavedQuestion], Meta(max_length=QUESTIONS_MOST, examples=[EXAMPLE])] = {}
    project: Annotated[str | None, OF_KEY] = None


def check(raw: RawParams, values: Mapping[str, Any], project: Project) -> None:
    """Note in `given` what is wrong about a view that was read, by key and field of its questions."""
    name, page = values["name"], values["page"]
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MOST or not name.isprintable():
        raw.wrong["name"] = f"1 to {NAME_MOST} printable characters"
    if not isinstance(page, str) or not PAGE.fullmatch(page):
        raw.wrong["page"] = "the slug of a page, such as trends"
    for field in ("params", "questions"):
        if _bytes(raw.value_of(field)) > BYTES_MOST:
            raw.wrong[field] = f"an object of at most {BYTES_MOST} bytes"
    if "questions" in raw.wrong:
        return
    for key, question in values["questions"].items():
        place = f"questions.{key[:64]}"
        if not KEY.fullmatch(key):
            raw.wrong[place] = "a key of at most 64 letters, digits, _ and -"
        elif question.lens not in BY_PATH:
            raw.wrong[f"{place}.lens"] = "one of " + ", ".join(BY_PATH)
        elif question.params.get("project") not in (None, project.slug):
            raw.wrong[f"{place}.params.project"] = "left out: a view asks about its own project"
        else:
            raw.wrong |= _wrong_params(place, question, project)


def _wrong_params(place: str, question: SavedQuestion, project: Project) -> dict[str, str]:
    try:
        read_asked(question.lens, _without_project(question), project)
    except Invalid as error:
        fields = error.fields or {"": error.message}
        return {f"{place}.params.{field}".rstrip("."): text for field, text in fields.items()}
    return {}


def _without_project(question: SavedQuestion) -> dict[str, Any]:
    return {name: value for name, value in question.params.items() if name != "project"}


def make_view(project: Project, wanted: NewView, *, by: str) -> SavedView:
    questions = {
        key: {"lens": question.lens, "params": _without_project(question)} for key, question in wanted.questions.items()
    }
    return SavedView(
        project_id=project.id,
        name=wanted.name.strip(),
        page=wanted.page,
        params=wanted.params,
        questions=questions,
        created_by=by[:300],
    )


def share_view(session: Session, view: SavedView, *, by: str) -> str:
    """A new token; one that was given out before opens nothing any more."""
    token = START + secrets.token_urlsafe(32)
    values = {"share_sha256": _digest(token), "shared_at": clock.now(), "shared_by": by[:300]}
    session.execute(sa.update(SavedView).where(SavedView.id == view.id).values(values))
    return token


def unshare_view(session: Session, view: SavedView) -> None:
    """A second time changes nothing."""
    values = {"share_sha256": None, "shared_at": None, "shared_by": None}
    session.execute(sa.update(SavedView).where(SavedView.id == view.id).values(values))


def find_shared(session: Session, token: str) -> tuple[SavedView, Project]:
    """What a link opens. Raises `NotFound`, the same for a link that never was and one that was taken back."""
    row = None
    if token.startswith(START) and len(token) <= LONGEST:
        query = sa.select(SavedView, Project).join(Project, Project.id == SavedView.project_id)
        row = session.execute(query.where(SavedView.share_sha256 == _digest(token))).first()
    if row is None:
        raise NotFound("This link opens nothing. It may have been taken back.")
    return row[0], row[1]


def _bytes(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:  # a number beyond 64 bits
        return BYTES_MOST + 1


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
