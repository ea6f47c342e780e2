"""The doors of saved views, for those who are logged in or have a key."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, require, require_owned, require_project
from quadra.accounts.answers import Done, Slug
from quadra.accounts.noting import note
from quadra.accounts.params import OF_KEY
from quadra.accounts.tables import Project
from quadra.analytics import tables
from quadra.analytics.lens_list import BY_PATH
from quadra.analytics.views import saved_views
from quadra.analytics.views.saved_views import NewView, SavedQuestion
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.api.params import Params, says, within
from quadra.core.api.raw_params import RawParams
from quadra.core.errors import Invalid
from quadra.core.typed import Typed
from quadra.core.web.http import runtime

doors = Doors("saved_views", __name__)

CURSOR = re.compile(r"[0-9a-f-]{36}")
KEPT = Typed(dict[str, SavedQuestion])
ViewId = Annotated[str, Meta(examples=["019be0c4-3c00-7000-8000-000000000001"])]
VIEW_ID = {"view_id": Param(name="view_id", shape=ViewId, example="019be0c4-3c00-7000-8000-000000000001")}


class Share(Struct, kw_only=True):
    shared_at: Time
    shared_by: Annotated[str, Meta(examples=["user:ada@example.com"])]


class SavedView(Struct, kw_only=True):
    id: ViewId
    project: Slug
    name: Annotated[str, Meta(examples=["Sign-ups"])]
    page: Annotated[str, Meta(examples=["trends"])]
    params: Annotated[dict[str, Any], Meta(examples=[{"event": "signed_up"}])]
    questions: Annotated[dict[str, SavedQuestion], Meta(examples=[saved_views.EXAMPLE])]
    created_at: Time
    created_by: Annotated[str, Meta(examples=["user:ada@example.com"])]
    share: Annotated[Share | None, Meta(description="Where it has a link.", examples=[None])]


class SavedViews(Struct, kw_only=True):
    saved_views: list[SavedView]
    cursor: Annotated[str | None, Meta(description="Of the next page; null on the last one.", examples=[None])]


class ShareLink(Struct, kw_only=True):
    token: Annotated[str, Meta(examples=["qs_kq0R1nT"])]
    url: Annotated[str, Meta(examples=["https://quadra.example.com/share/qs_kq0R1nT"])]


class Which(Struct, kw_only=True):
    project: Annotated[str | None, OF_KEY] = None
    limit: Annotated[int, within(1, 1_000)] = 50
    cursor: Annotated[str | None, says("That of the page before.")] = None


class NewViews(Params[NewView]):
    """A view's questions are read with its project, so that all that is wrong about it is named at once."""

    def of(self, raw: RawParams) -> NewView:
        raw.refuse_unknown(self.names)
        values = self.read(raw)
        saved_views.check(raw, values, require_project(values["project"], "editor"))
        raw.check("The view cannot be saved like this.")
        return NewView(**values)


@doors(
    "GET",
    "/api/saved-views",
    title="List saved views",
    says="Of one project.",
    needs="viewer",
    asks=Params(Which),
    answers=SavedViews,
    answer_says="Newest first.",
    refuses=(404,),
)
def show_views(asked: Which) -> SavedViews:
    project = require_project(asked.project, "viewer")
    if asked.cursor is not None and not CURSOR.fullmatch(asked.cursor):
        raise Invalid("This page cannot be shown.", fields={"cursor": "as the page before gave it"})
    with runtime().database.read() as session:
        found = saved_views.list_views(session, project.id, limit=asked.limit + 1, after=asked.cursor)
    rows, more = found[: asked.limit], len(found) > asked.limit
    return SavedViews(saved_views=[_shown(view, project) for view in rows], cursor=rows[-1].id if more else None)


@doors(
    "POST",
    "/api/saved-views",
    title="Save a view",
    says="`params` is whatever the page is opened with again. Each question names its lens (the end of its address: "
    f"{', '.join(f'`{lens}`' for lens in BY_PATH)}) and the parameters or the body it takes; it is read now, and what is wrong "
    "is named as `questions.<key>.params.<field>`.",
    needs="editor",
    asks=NewViews(NewView),
    answers=SavedView,
    answer_says="It is saved.",
    status=201,
    refuses=(404, 409),
)
def add_view(asked: NewView) -> SavedView:
    project = require_project(asked.project, "editor")
    with runtime().database.begin() as session:
        view = saved_views.save_view(session, project, asked, by=caller().actor)
        _note(session, "created", view)
        return _shown(view, project)


@doors(
    "GET",
    "/api/saved-views/{view_id}",
    title="Show a saved view",
    needs="viewer",
    named=VIEW_ID,
    answers=SavedView,
    answer_says="The view.",
    refuses=(404,),
)
def show_view(view_id: str) -> SavedView:
    with runtime().database.read() as session:
        return _shown(*_of_caller(session, view_id, "viewer"))


@doors(
    "DELETE",
    "/api/saved-views/{view_id}",
    title="Delete a saved view",
    says="Its link opens nothing any more.",
    needs="editor",
    named=VIEW_ID,
    answers=Done,
    answer_says="It is gone.",
    refuses=(404,),
)
def remove_view(view_id: str) -> Done:
    with runtime().database.begin() as session:
        view, _project = _of_caller(session, view_id, "editor")
        saved_views.delete_view(session, view)
        _note(session, "deleted", view)
    return Done(success=True)


@doors(
    "POST",
    "/api/saved-views/{view_id}/share",
    title="Share a saved view",
    says="A new link each time; the one before opens nothing any more.",
    needs="editor",
    named=VIEW_ID,
    answers=ShareLink,
    answer_says="The link, shown only now: under QUADRA_PUBLIC_URL, or a path of this server where that is not set.",
    status=201,
    headers={"Cache-Control": "no-store"},
    refuses=(404,),
)
def share(view_id: str) -> ShareLink:
    with runtime().database.begin() as session:
        view, _project = _of_caller(session, view_id, "editor")
        token = saved_views.share_view(session, view, by=caller().actor)
        _note(session, "shared", view)
    # never the host that the request names: the link goes to other people, and the request may come from anybody's page
    return ShareLink(token=token, url=f"{runtime().settings.public_url.rstrip('/')}/share/{token}")


@doors(
    "DELETE",
    "/api/saved-views/{view_id}/share",
    title="Take a share link back",
    says="Fine where there is none.",
    needs="editor",
    named=VIEW_ID,
    answers=Done,
    answer_says="It opens nothing any more.",
    refuses=(404,),
)
def unshare(view_id: str) -> Done:
    with runtime().database.begin() as session:
        view, _project = _of_caller(session, view_id, "editor")
        saved_views.unshare_view(session, view)
        _note(session, "unshared", view)
    return Done(success=True)


def _of_caller(session: Session, view_id: str, role: str) -> tuple[tables.SavedView, Project]:
    require("viewer")  # first: strangers learn of no view whether it is there
    return require_owned(session, saved_views.get_view(session, view_id), role, "saved view")


def _note(session: Session, verb: str, view: tables.SavedView) -> None:
    note(
        session,
        f"analytics.saved_view.{verb}",
        subject=view.id,
        project_id=view.project_id,
        details={"name": view.name},
    )


def _shown(view: tables.SavedView, project: Project) -> SavedView:
    share = None
    if view.shared_at is not None:
        share = Share(shared_at=clock.iso(view.shared_at), shared_by=view.shared_by or "")
    return SavedView(
        id=view.id,
        project=project.slug,
        name=view.name,
        page=view.page,
        params=view.params,
        questions=KEPT.convert(view.questions),
        created_at=clock.iso(view.created_at),
        created_by=view.created_by,
        share=share,
    )
