"""The HTTP door of the warehouse: erase a user."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from quadra.accounts import audit
from quadra.accounts.access import caller, require_project
from quadra.core.http import runtime
from quadra.core.limits import client_address
from quadra.jobs.answers import job_body
from quadra.warehouse.erasing_jobs import request_erasure
from quadra.warehouse.erasure_list import remember_request

blueprint = Blueprint("warehouse", __name__)


@blueprint.delete("/api/users/<path:user_id>/data")
def erase_user(user_id: str) -> ResponseReturnValue:
    """`?project=`. 202 with the job that does it, whether or not there is such a user."""
    project = require_project(request.args.get("project"), "admin")
    with runtime().database.begin() as session:
        erasure, job = request_erasure(session, project.id, user_id, max_attempts=runtime().settings.job_max_attempts)
        # not whom: the audit log stays, and must not remember them for ever
        audit.record(
            session,
            actor=caller().actor,
            action="warehouse.erasure.requested",
            subject=erasure.id,
            project_id=project.id,
            address=client_address(),
        )
    remember_request(runtime(), project.slug, erasure)
    return {"job": job_body(job, whole=caller().sees_installation)}, 202
