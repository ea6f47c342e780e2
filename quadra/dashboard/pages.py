"""The pages."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for

from quadra.accounts.access import caller, require_page, require_project
from quadra.accounts.projects import DEFAULT, list_projects
from quadra.alerts.reports.content import PAGES as REPORT_PAGES
from quadra.analytics.views.share_routes import SharedView
from quadra.core.api import legacy_routes
from quadra.core.errors import NotFound, QuadraError
from quadra.core.web.http import request_id, runtime
from quadra.dashboard import static_files
from quadra.ingest.kinds import KINDS
from quadra.ingest.tables import BATCH_STATES
from quadra.jobs.states import JOB_STATES
from quadra.warehouse.query.warming import warm

blueprint = Blueprint("dashboard", __name__, static_folder=None, template_folder="templates")
static_files.set_up(blueprint)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the dashboard. Its address is `/<slug>`, its files are in `static/<slug>/`."""

    slug: str
    title: str
    group: str | None = None
    """Under which title the navigation lists it; None lists it above all groups."""
    under: str | None = None
    """The slug of the page that the navigation marks instead; such a page has no line of its own."""
    lenses: bool = True
    """A board: `static/<slug>/main.js` asks lenses and draws panels. Otherwise the page has a template and a view below."""
    charts: bool = True
    """Whether a board has some."""
    endpoint: str = ""
    """Of a page whose view is in another room."""
    whole: bool = False
    """Of the whole installation: not listed for who is bound to projects."""

    @property
    def view(self) -> str:
        return self.endpoint or f"dashboard.{self.slug}"


PAGES = (
    Page("overview", "Overview"),
    Page("visits", "Visits"),
    Page("live", "Live", lenses=False),
    Page("events", "Events", "Product"),
    Page("funnels", "Funnels", "Product"),
    Page("journeys", "Journeys", "Product"),
    Page("retention", "Retention", "Product"),
    Page("users", "Users", "Product"),
    Page("user", "User", "Product", under="users"),
    Page("goals", "Goals", "Product", charts=False),
    Page("segments", "Segments", "Product", charts=False),
    Page("features", "Features", "Product"),
    Page("satisfaction", "Satisfaction", "Product"),
    Page("ai", "AI usage", "Services"),
    Page("performance", "Performance", "Services"),
    Page("errors", "Errors", "Services"),
    Page("numbers", "Numbers", "Engine"),
    Page("sql", "SQL", "Engine"),
    Page("insights", "Insights", "Engine", lenses=False),
    Page("field", "Field", "Engine"),
    Page("pipeline", "Pipeline", "Engine", lenses=False),
    Page("operations", "Operations", "Engine", lenses=False, whole=True),
    Page("sinks", "Sinks", "Engine", lenses=False),
    Page("recovery", "Recovery", "Engine", lenses=False, whole=True),
    Page("releases", "Releases", "Engine", lenses=False, whole=True),
    Page("status", "Status", "Engine", lenses=False, endpoint="health.show_status"),
    Page("settings", "Settings", "Engine", lenses=False),
)
"""Every page, in the order of the navigation. A new page is a line here and its folder in `static/`."""

BOARDS = {one.slug: one for one in PAGES if one.lenses}

PIPELINE_TABS = {"batches": "Batches", "jobs": "Jobs", "dead-letters": "Dead letters"}

SETTINGS = {
    "start": "First steps",
    "me": "Me",
    "project": "Project",
    "keys": "Keys",
    "people": "People",
    "channels": "Channels",
    "alerts": "Alerts",
    "reports": "Reports",
    "data": "Data",
    "audit": "Audit log",
}
"""The pages of settings; each has `templates/settings/<name>.html` and `static/settings/<name>.js`."""
FOR_ADMINS = ("project", "keys", "people", "data", "audit")


@blueprint.app_context_processor
def _socket_path() -> dict[str, Any]:
    return {"socket_path": f"/{runtime().settings.socket_path}"}


@blueprint.get("/")
def home() -> Any:
    return redirect(url_for("dashboard.overview"))


@blueprint.get("/live")
def live() -> Any:
    return page("live.html", "dashboard.live", base_url=base_url())


@blueprint.get("/insights")
def insights() -> Any:
    return page("insights.html", "dashboard.insights")


@blueprint.get("/pipeline")
@blueprint.get("/pipeline/<any(" + ", ".join(f"'{tab}'" for tab in PIPELINE_TABS) + "):tab>")
def pipeline(tab: str = "batches") -> Any:
    return page(
        "pipeline.html",
        "dashboard.pipeline",
        tab=tab,
        tabs=PIPELINE_TABS.items(),
        batch_states=BATCH_STATES,
        job_states=JOB_STATES,
    )


@blueprint.get("/operations")
def operations() -> Any:
    return page("operations.html", "dashboard.operations", job_states=JOB_STATES)


@blueprint.get("/sinks")
def sinks() -> Any:
    return page("sinks.html", "dashboard.sinks")


@blueprint.get("/recovery")
def recovery() -> Any:
    return page("recovery.html", "dashboard.recovery")


@blueprint.get("/releases")
def releases() -> Any:
    return page("releases.html", "dashboard.releases")


@blueprint.get("/settings")
@blueprint.get("/settings/<any(" + ", ".join(f"'{name}'" for name in SETTINGS) + "):name>")
def settings(name: str = "me") -> Any:
    return page(
        "settings.html",
        "dashboard.settings",
        name=name,
        title=SETTINGS[name],
        tabs=SETTINGS.items(),
        for_admins=name in FOR_ADMINS,
        base_url=base_url(),
        retention_days=runtime().settings.retention_days,
        export_days=runtime().settings.export_keep_days,
        kinds=list(KINDS),
        report_pages=[(one.slug, one.title) for one in PAGES if one.slug in REPORT_PAGES],
    )


def _leads_to(page_path: str) -> Any:
    return lambda: redirect(page_path)


for _path, _page in legacy_routes.PAGES.items():
    blueprint.add_url_rule(_path, f"legacy{_path.replace('/', '_')}", _leads_to(_page))


@blueprint.get("/docs")
@blueprint.get("/api/docs")
def api_docs() -> Any:
    """The description of the API in Swagger UI. It needs no login and loads nothing from outside; who has one keeps the menu."""
    with suppress(QuadraError):  # a session or a database that is gone takes away the menu, not the description
        if caller().user is not None:
            return page("api_docs_inside.html", "dashboard.api_docs"), {"Cache-Control": "no-store"}
    return render_template("api_docs.html")


LANGUAGES = {"bash": "curl", "browser": "html", "javascript": "node", "js": "node", "typescript": "node"}
"""Other names of the examples in `templates/demo/`."""


@blueprint.get("/demo/<language>")
def demo(language: str) -> Response:
    """How the first event is sent in one language, as text to copy."""
    name = LANGUAGES.get(language.lower(), language.lower())
    if name not in ("curl", "html", "node", "python"):
        raise NotFound(
            "There is an example in curl, html, node and python. `quadra demo` fills a project with made-up events."
        )
    return Response(render_template(f"demo/{name}.txt", base_url=base_url()), content_type="text/plain; charset=utf-8")


def board(slug: str) -> Any:
    """A page of lenses: a bar, and panels that its module makes."""
    one = BOARDS[slug]
    current = f"dashboard.{one.under}" if one.under else one.view
    return page("board.html", current, asks=True, slug=slug, title=one.title, charts=one.charts, base_url=base_url())


def shared(token: str, view: SharedView) -> Any:
    """What a share link shows to a browser: one page as it was saved, without a login, and nothing else of the project."""
    if view.page not in BOARDS:
        raise NotFound("This view belongs to no page; ask for it as JSON.")
    told = {"token": token, "params": view.params, "keys": view.keys}
    one = BOARDS[view.page]
    return render_template("shared.html", slug=one.slug, title=one.title, charts=one.charts, name=view.name, told=told)


for _slug in BOARDS:
    blueprint.add_url_rule(f"/{_slug}", endpoint=_slug, view_func=board, defaults={"slug": _slug}, methods=["GET"])


def error(problem: QuadraError) -> str:
    """An error as a page. Not for the database's: it asks nothing of it."""
    return render_template("error.html", status=problem.status, message=problem.message, request_id=request_id())


def page(template: str, endpoint: str, *, asks: bool = False, **context: Any) -> Any:
    """A page inside the shell: navigation, project picker, who is logged in. One that `asks` asks lenses at once."""
    member = require_page()
    with runtime().database.read() as session:
        projects = list_projects(session, ids=member.projects)
    slugs = [one.slug for one in projects]
    project = require_project(request.args.get("project") or (DEFAULT if DEFAULT in slugs else slugs[0]), "viewer")
    if asks:
        warm(runtime(), project.id)
    whole = member.sees_installation
    nav = [
        {
            "title": title,
            "items": [
                {"title": one.title, "href": url_for(one.view, project=project.slug), "current": one.view == endpoint}
                for one in pages
                if one.under is None and (whole or not one.whole)
            ],
        }
        for title, pages in groupby(PAGES, lambda one: one.group)
    ]
    roles = (
        (member.role_in(project.id), member.role) if member.user else ("viewer", "viewer")
    )  # a key presses no buttons
    return render_template(
        template,
        project=project,
        projects=projects,
        user=member.user,
        role=roles[0],
        installation_role=roles[1],
        whole=whole,
        nav=nav,
        **context,
    )


def base_url() -> str:
    """Where senders reach this server: the setting, else as the reader came."""
    return (runtime().settings.public_url or request.host_url).rstrip("/")
