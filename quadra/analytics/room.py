"""The lenses in a web process: their questions, the views that people keep of them, and the links to those."""

from __future__ import annotations

from quadra.analytics import ask_routes, business_routes, export_job_routes, export_routes, resolving_routes, routes
from quadra.analytics.kept import annotation_routes, goal_routes, imported_routes, segment_routes
from quadra.analytics.lens_list import AT_DOORS, FOR_EDITORS, LENSES
from quadra.analytics.questions import groups
from quadra.analytics.routes import described
from quadra.analytics.views import saved_view_routes, share_routes
from quadra.core.api.openapi import Door, Group

BLUEPRINTS = (
    routes.blueprint,
    ask_routes.doors.blueprint,
    export_routes.doors.blueprint,
    export_job_routes.doors.blueprint,
    saved_view_routes.doors.blueprint,
    share_routes.doors.blueprint,
    resolving_routes.doors.blueprint,
    business_routes.doors.blueprint,
    goal_routes.doors.blueprint,
    segment_routes.doors.blueprint,
    annotation_routes.doors.blueprint,
    imported_routes.doors.blueprint,
)


def _of(group: str) -> tuple[Door, ...]:
    return tuple(described(lens) for lens in (*LENSES, *FOR_EDITORS, *AT_DOORS) if lens.group == group)


GROUPS = (
    Group(
        title=groups.QUESTIONS,
        says="Each is answered from every event that was acknowledged, up to the last one. The rules are in docs/lenses.md.",
        doors=(
            *_of(groups.QUESTIONS),
            *ask_routes.doors.described,
            *export_routes.doors.described,
            *export_job_routes.doors.described,
        ),
    ),
    Group(
        title=groups.OVERVIEW,
        says="Numbers of people, of requests, of errors, of models. Rates are in per cent.",
        doors=(*_of(groups.OVERVIEW), *resolving_routes.doors.described),
    ),
    Group(
        title=groups.VISITS,
        says="Who came, from where, which pages they saw, and who did what a goal asks for. The rules are in docs/visits.md.",
        doors=(
            *_of(groups.VISITS),
            *goal_routes.doors.described,
            *segment_routes.doors.described,
            *annotation_routes.doors.described,
            *imported_routes.doors.described,
        ),
    ),
    Group(title=groups.RECORDED, says="What senders recorded as such.", doors=_of(groups.RECORDED)),
    Group(
        title=groups.BUSINESS,
        says="Numbers that senders report, and the SQL of every report.",
        doors=(*_of(groups.BUSINESS), *business_routes.doors.described),
    ),
    Group(
        title="Saved views and share links",
        says="A view is a page with its questions under a name. Its link shows it to people without an account: they get the "
        "answers to exactly these questions, always of now, and nothing else.",
        doors=(*saved_view_routes.doors.described, *share_routes.doors.described),
    ),
)
