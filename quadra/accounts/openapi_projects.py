"""The doors of projects and keys, described."""

from __future__ import annotations

from quadra.accounts import openapi_shapes as shapes
from quadra.core.api.openapi import Answer, Body, Door, Group, Param

CREATED = "2026-01-31T12:00:00.000Z"
SHOP = {"slug": "shop", "name": "Shop", "timezone": "Europe/Berlin", "week_start": "monday", "created_at": CREATED}
KEY = {
    "id": 3,
    "project": "shop",
    "scope": "read",
    "name": "reports",
    "prefix": "qk_Zm9vYmFy",
    "origins": [],
    "created_at": CREATED,
    "last_used_at": None,
    "revoked_at": None,
}
OF_ALL = "A key can do this only where it is an admin key of the project `default`, which belongs to the installation."

PROJECTS = Group(
    title="Projects and keys",
    says=(
        "A project is what events belong to. A **write key** sends events and nothing else, so it is safe in a page; "
        "a **read key** asks questions about its project; an **admin key** may do everything an admin may."
    ),
    doors=(
        Door(
            method="GET",
            path="/api/projects",
            title="List projects",
            says="Those that you may see.",
            needs="viewer",
            answers={200: Answer(says="By name.", shape=shapes.Projects, example={"projects": [SHOP]})},
        ),
        Door(
            method="POST",
            path="/api/projects",
            title="Make a project",
            says=f"And a write key for it. {OF_ALL}",
            needs="admin",
            body=Body(shape=shapes.NewProject, example={"name": "Shop", "timezone": "Europe/Berlin"}),
            answers={
                201: Answer(
                    says="It is made. The key is shown only now.",
                    shape=shapes.MadeProject,
                    example=SHOP | {"project": "shop", "write_key": "qk_…"},
                )
            },
            refuses=(409,),
        ),
        Door(
            method="GET",
            path="/api/keys",
            title="List the keys of a project",
            says="The revoked ones too; never the keys themselves.",
            needs="admin",
            params=(
                Param(
                    name="project",
                    shape=str,
                    says="Left out: the project of the key that asks, for people `default`.",
                    example="shop",
                ),
            ),
            answers={200: Answer(says="Newest first.", shape=shapes.Keys, example={"keys": [KEY]})},
            refuses=(404,),
        ),
        Door(
            method="POST",
            path="/api/keys",
            title="Make a key",
            needs="admin",
            body=Body(shape=shapes.NewKey, example={"project": "shop", "scope": "read", "name": "reports"}),
            answers={
                201: Answer(says="It is made, and shown only now.", shape=shapes.MadeKey, example=KEY | {"key": "qk_…"})
            },
            refuses=(404,),
        ),
        Door(
            method="DELETE",
            path="/api/keys/{key_id}",
            title="Revoke a key",
            says="Ingest may still take it for a few seconds.",
            needs="admin",
            params=(Param(name="key_id", shape=shapes.Id, example=3),),
            answers={
                200: Answer(
                    says="It opens nothing any more.",
                    shape=shapes.TheKey,
                    example={"key": KEY | {"revoked_at": CREATED}},
                )
            },
            refuses=(404,),
        ),
    ),
)
