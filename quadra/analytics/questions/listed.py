"""Which events a list of events is of: filters by the names that earlier systems gave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pyarrow.compute as pc

from quadra.analytics.questions.lens import Asked
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Snapshot, where_clause
from quadra.core.api.params import choice, says
from quadra.ingest.kinds import KINDS

EQUAL = {"event_type": "event_type", "event_name": "name", "event_category": "category", "session_id": "session_id"}
"""Parameter -> column."""
IDS_APART = 8


class Listed(Asked, kw_only=True, frozen=True):
    event_type: Annotated[str | None, says("Only of this type.")] = None
    event_name: Annotated[str | None, says("Only of this name.")] = None
    event_category: Annotated[str | None, says("Only of this category.")] = None
    session_id: Annotated[str | None, says("Only of this session, as the sender names it.")] = None
    user_id: Annotated[str | None, says("Only of this person; any id of theirs stands for all of them.")] = None
    kind: Annotated[str | None, choice(KINDS, "Only of this kind.")] = None


def wanted(listed: Listed, params: Parameters) -> str:
    """The condition, without the person: `of_person` says whose events they are."""
    said = [where_clause(listed.question, params, kind=listed.kind)]
    equal = {column: getattr(listed, name) for name, column in EQUAL.items()}
    said += [f"{column} = {params.add(value)}" for column, value in equal.items() if value is not None]
    return " AND ".join(said)


def of_person(ids: Sequence[str] | None, params: Parameters) -> str:
    """The relation: `events`, or those of one person, id by id, which lets most of each file be left unread."""
    if ids is None:
        return "events"
    if len(ids) > IDS_APART:
        return f"(SELECT * FROM events WHERE user_id IN (SELECT unnest({params.add(list(ids))})))"
    return "(" + " UNION ALL ".join(f"SELECT * FROM events WHERE user_id = {params.add(each)}" for each in ids) + ")"


def ids_of(events: Snapshot, user_id: str | None) -> list[str] | None:
    """Every id of the person whom an id belongs to."""
    if user_id is None:
        return None
    known = events.look.identities().people
    named = known.filter(pc.equal(known["id"], user_id))["person"].to_pylist()
    person = named[0] if named else user_id
    return [person, *known.filter(pc.equal(known["person"], person))["id"].to_pylist()]
