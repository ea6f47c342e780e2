"""The HTTP door of the warehouse: erase a user."""

from __future__ import annotations

from quadra.accounts.access import caller, require_project
from quadra.accounts.noting import note
from quadra.accounts.params import OF_PROJECT, OfProject
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.web.http import runtime
from quadra.jobs.answers import TheJob, job_shown
from quadra.warehouse.erasure.erase_list import remember_request
from quadra.warehouse.erasure.jobs import request_erasure

doors = Doors("warehouse", __name__)


@doors(
    "DELETE",
    "/api/users/{user_id}/data",
    title="Erase a user",
    says="Everything received until now under any id of that person. What they send later is new.",
    needs="admin",
    asks=OF_PROJECT,
    named={"user_id": Param(name="user_id", shape=str, example="user-17")},
    slashes=("user_id",),
    answers=TheJob,
    answer_says="A worker does it; whether there is such a user is not told.",
    status=202,
    refuses=(404,),
)
def erase_user(asked: OfProject, user_id: str) -> TheJob:
    project = require_project(asked.project, "admin")
    with runtime().database.begin() as session:
        erasure, job = request_erasure(session, project.id, user_id, max_attempts=runtime().settings.job_max_attempts)
        # not whom: the audit log stays, and must not remember them forever
        note(session, "warehouse.erasure.requested", subject=erasure.id, project_id=project.id)
    remember_request(runtime(), project.slug, erasure)
    return TheJob(job=job_shown(job, whole=caller().sees_installation))
