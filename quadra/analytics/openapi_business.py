"""The door at which a business is made, described."""

from __future__ import annotations

from quadra.accounts import openapi_shapes as accounts
from quadra.core.api.openapi import Answer, Body, Door


class MadeBusiness(accounts.MadeProject, kw_only=True):
    success: bool
    business_id: str


CREATE = Door(
    method="POST",
    path="/api/business/create",
    title="Make a business",
    says="The same as making a project.",
    needs="admin",
    body=Body(shape=accounts.NewProject, example={"name": "Shop", "timezone": "Europe/Berlin"}),
    answers={
        201: Answer(
            says="It is made. The key is shown only now.",
            shape=MadeBusiness,
            example={
                "success": True,
                "business_id": "shop",
                "project": "shop",
                "slug": "shop",
                "name": "Shop",
                "timezone": "Europe/Berlin",
                "week_start": "monday",
                "created_at": "2026-01-31T00:00:00.000Z",
                "write_key": "qk_…",
            },
        )
    },
    refuses=(409,),
)
