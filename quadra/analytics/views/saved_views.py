"""Saved views: a page with its questions under a name, and the link that shows it to people without an account.

A view belongs to one project and its questions are read with that project, now and each time they are answered; nothing in
them can name another one. A link opens one view and nothing else: the token is random and kept as a hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import BY_PATH, read_asked
from quadra.analytics.tables import NAME_MOST, SavedView
from quadra.core import clock
from quadra.core.errors import Conflict, Invalid, NotFound

START = "qs_"
LONGEST = 100
"""A token beyond this is not even hashed."""
BYTES_MOST, QUESTIONS_MOST, VIEWS_MOST = 64 * 1024, 40, 1_000
PAGE = re.compile(r"[a-z0-9][a-z0-9/_-]{0,63}")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def save_view(session: Session, project: Project, body: Mapping[str, Any], *, by: str) -> SavedView:
    """Raises `Invalid`, naming key and field of a wrong question, and `Conflict` when there are too many views."""
    wrong: dict[str, str] = {}
    name, page = body.get("name"), body.get("page")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MOST or not name.isprintable():
        wrong["name"] = f"1 to {NAME_MOST} printable characters"
    if not isinstance(page, str) or not PAGE.fullmatch(page):
        wrong["page"] = "the slug of a page, such as trends"
    params = body.get("params")
    params = {} if params is None else params
    if not isinstance(params, dict) or _bytes(params) > BYTES_MOST:
        wrong["params"] = f"an object of at most {BYTES_MOST} bytes"
    questions = _questions(body.get("questions"), project, wrong)
    if wrong:
        raise Invalid("The view cannot be saved like this.", fields=wrong)
    count = sa.select(sa.func.count()).select_from(SavedView).where(SavedView.project_id == project.id)
    if (session.scalar(count) or 0) >= VIEWS_MOST:
        raise Conflict(f"The project has {VIEWS_MOST} saved views; delete some.")
    view = SavedView(
        project_id=project.id,
        name=str(name).strip(),
        page=page,
        params=params,
        questions=questions,
        created_by=by[:300],
    )
    session.add(view)
    session.flush()
    return view


def _questions(given: Any, project: Project, wrong: dict[str, str]) -> dict[str, Any]:
    """As they are kept; what is wrong about them is noted."""
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > QUESTIONS_MOST or _bytes(given) > BYTES_MOST:
        wrong["questions"] = f"an object of at most {QUESTIONS_MOST} questions and {BYTES_MOST} bytes"
        return {}
    kept: dict[str, Any] = {}
    for key, question in given.items():
        place = f"questions.{key[:64]}"
        if not KEY.fullmatch(key):
            wrong[place] = "a key of at most 64 letters, digits, _ and -"
            continue
        if not isinstance(question, dict) or not set(question) <= {"lens", "params"}:
            wrong[place] = "an object with lens and params"
            continue
        lens, params = question.get("lens"), question.get("params")
        params = {} if params is None else params
        if not isinstance(lens, str) or lens not in BY_PATH:
            wrong[f"{place}.lens"] = "one of " + ", ".join(BY_PATH)
        elif not isinstance(params, dict):
            wrong[f"{place}.params"] = "an object"
        elif params.get("project") not in (None, project.slug):
            wrong[f"{place}.params.project"] = "left out: a view asks about its own project"
        else:
            kept[key] = {"lens": lens, "params": {name: value for name, value in params.items() if name != "project"}}
            try:
                read_asked(lens, kept[key]["params"], project)
            except Invalid as error:
                fields = error.fields or {"": error.message}
                wrong |= {f"{place}.params.{field}".rstrip("."): text for field, text in fields.items()}
    return kept


def list_views(session: Session, project_id: int, *, limit: int, after: str | None) -> list[SavedView]:
    """Newest first. `after` is the id of the last one of the page before."""
    query = sa.select(SavedView).where(SavedView.project_id == project_id)
    if after is not None:
        query = query.where(SavedView.id < after)
    return list(session.scalars(query.order_by(SavedView.id.desc()).limit(limit)))


def get_view(session: Session, view_id: str) -> SavedView:
    """Of whatever project: the caller asks next whether they may see it. Raises `NotFound`."""
    if len(view_id) > 36 or (view := session.get(SavedView, view_id, populate_existing=True)) is None:
        raise NotFound("There is no such saved view.")
    return view


def delete_view(session: Session, view: SavedView) -> None:
    """Its link opens nothing from now on."""
    session.execute(sa.delete(SavedView).where(SavedView.id == view.id))


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
    found = None
    if token.startswith(START) and len(token) <= LONGEST:
        query = sa.select(SavedView, Project).join(Project, Project.id == SavedView.project_id)
        found = session.execute(query.where(SavedView.share_sha256 == _digest(token))).first()
    if found is None:
        raise NotFound("This link opens nothing. It may have been taken back.")
    return found[0], found[1]


def _bytes(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:  # a number beyond 64 bits
        return BYTES_MOST + 1


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
