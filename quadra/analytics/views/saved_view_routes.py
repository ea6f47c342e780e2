"""The doors of saved views, for those who are logged in or have a key."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller, require_project
from quadra.accounts.answers import Done, Slug
from quadra.accounts.project_rows import ProjectRows, each
from quadra.accounts.tables import Project
from quadra.analytics import tables
from quadra.analytics.lens_list import BY_PATH
from quadra.analytics.views import saved_views
from quadra.analytics.views.saved_views import NewView, SavedQuestion
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params
from quadra.core.api.raw_params import RawParams
from quadra.core.typed import Typed
from quadra.core.web.http import runtime

doors = Doors("saved_views", __name__)

KEPT = Typed(dict[str, SavedQuestion])
ViewId = Annotated[str, Meta(examples=["019be0c4-3c00-7000-8000-000000000001"])]


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


class NewViews(Params[NewView]):
    """A view's questions are read with its project, so that all that is wrong about it is named at once."""

    def of(self, raw: RawParams) -> NewView:
        raw.refuse_unknown(self.names)
        values = self.read(raw)
        saved_views.check(raw, values, require_project(values["project"], "editor"))
        raw.check("The view cannot be saved like this.")
        return NewView(**values)


def _make(_session: Session, asked: NewView, project: Project) -> tables.SavedView:
    return saved_views.make_view(project, asked, by=caller().actor)


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


ROWS = ProjectRows(
    doors,
    tables.SavedView,
    "/api/saved-views",
    "saved view",
    answers=SavedView,
    shown=each(_shown),
    action="analytics.saved_view",
    most=1_000,
)
ROWS.pages(SavedViews)
ROWS.makes(
    NewViews(NewView),
    _make,
    title="Save a view",
    says="`params` is whatever the page is opened with again. Each question names its lens (the end of its address: "
    f"{', '.join(f'`{lens}`' for lens in BY_PATH)}) and the parameters or the body it takes; it is read now, and what is wrong "
    "is named as `questions.<key>.params.<field>`.",
    answer_says="It is saved.",
)
ROWS.deletes(says="Its link opens nothing any more.")


@doors(
    "GET",
    "/api/saved-views/{view_id}",
    title="Show a saved view",
    needs="viewer",
    named=ROWS.named,
    answers=SavedView,
    answer_says="The view.",
    refuses=(404,),
)
def show_view(view_id: str) -> SavedView:
    with runtime().database.read() as session:
        return _shown(*ROWS.get(session, view_id, "viewer"))


@doors(
    "POST",
    "/api/saved-views/{view_id}/share",
    title="Share a saved view",
    says="A new link each time; the one before opens nothing any more.",
    needs="editor",
    named=ROWS.named,
    answers=ShareLink,
    answer_says="The link, shown only now: under QUADRA_PUBLIC_URL, or a path of this server where that is not set.",
    status=201,
    headers={"Cache-Control": "no-store"},
    refuses=(404,),
)
def share(view_id: str) -> ShareLink:
    with ROWS.editing(view_id, "shared") as (session, view, _project):
        token = saved_views.share_view(session, view, by=caller().actor)
    # never the host that the request names: the link goes to other people, and the request may come from anybody's page
    return ShareLink(token=token, url=f"{runtime().settings.public_url.rstrip('/')}/share/{token}")


@doors(
    "DELETE",
    "/api/saved-views/{view_id}/share",
    title="Take a share link back",
    says="Fine where there is none.",
    needs="editor",
    named=ROWS.named,
    answers=Done,
    answer_says="It opens nothing any more.",
    refuses=(404,),
)
def unshare(view_id: str) -> Done:
    with ROWS.editing(view_id, "unshared") as (session, view, _project):
        saved_views.unshare_view(session, view)
    return Done(success=True)
