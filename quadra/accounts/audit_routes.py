"""The audit log, for admins of the installation."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from quadra.accounts import audit
from quadra.accounts.access import require, require_project
from quadra.accounts.answers import Slug
from quadra.accounts.projects import list_projects
from quadra.accounts.user_routes import OF_ALL
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Time
from quadra.core.api.params import Params, says, within
from quadra.core.web.http import runtime

doors = Doors("audit", __name__)


class Which(Struct, kw_only=True):
    project: Annotated[str | None, says("Only what was done in this project.")] = None
    action: Annotated[str, says("How the action begins, such as `accounts.key`."), Meta(max_length=100)] = ""
    actor: Annotated[str, says("How the actor begins, such as `user:ada@example.com`."), Meta(max_length=300)] = ""
    before: Annotated[
        Annotated[int, Meta(ge=1, le=2**31 - 1)] | None, says("Entries that are older than the entry with this id.")
    ] = None
    limit: Annotated[int, within(1, 1000, "How many.")] = 100


class AuditEntry(Struct, kw_only=True):
    id: Annotated[int, Meta(examples=[41])]
    at: Time
    actor: Annotated[
        str,
        Meta(
            description="`user:` and an address, `key:` and how the key begins, `command`, `stranger`, or the part of "
            "Quadra that did it by itself.",
            examples=["user:ada@example.com"],
        ),
    ]
    action: Annotated[str, Meta(examples=["accounts.key.created"])]
    subject: Annotated[str, Meta(description="What it was done to.", examples=["qk_Zm9vYmFy"])]
    project: Slug | None
    address: Annotated[str, Meta(description="From where; empty for what was done on the machine.", examples=["::1"])]
    details: Annotated[dict[str, Any], Meta(examples=[{"scope": "read"}])]


class AuditEntries(Struct, kw_only=True):
    entries: list[AuditEntry]


@doors(
    "GET",
    "/api/audit",
    title="Read the audit log",
    says=f"Who did what, when and from where. Entries are only ever added. {OF_ALL}",
    needs="admin",
    asks=Params(Which),
    answers=AuditEntries,
    answer_says="Newest first.",
    refuses=(404,),
)
def show_audit(asked: Which) -> AuditEntries:
    require("admin")
    project = None if asked.project is None else require_project(asked.project, "admin").id
    with runtime().database.read() as session:
        slugs = {one.id: one.slug for one in list_projects(session)}
        found = audit.list_entries(
            session,
            limit=asked.limit,
            before_id=asked.before,
            project_id=project,
            action=asked.action,
            actor=asked.actor,
        )
        return AuditEntries(
            entries=[
                AuditEntry(
                    id=one.id,
                    at=clock.iso(one.at),
                    actor=one.actor,
                    action=one.action,
                    subject=one.subject,
                    project=None if one.project_id is None else slugs.get(one.project_id),
                    address=one.address,
                    details=one.details,
                )
                for one in found
            ]
        )
