"""The doors of the warehouse, described. A new route of this room is described here."""

from __future__ import annotations

from quadra.core.openapi import Answer, Door, Group, Param
from quadra.jobs.answers import TheJob

GROUPS = (
    Group(
        title="Erasure",
        says="What is stored about a person goes for good; a restored backup is gone through once more.",
        doors=(
            Door(
                method="DELETE",
                path="/api/users/{user_id}/data",
                title="Erase a user",
                says="Everything received until now under any id of that person. What they send later is new.",
                needs="admin",
                params=(
                    Param(name="user_id", shape=str, example="user-17"),
                    Param(name="project", shape=str, says="Slug; without it the key's own, else `default`."),
                ),
                answers={202: Answer(says="A worker does it; whether there is such a user is not told.", shape=TheJob)},
                refuses=(404,),
            ),
        ),
    ),
)
