"""Which events a list of events is of: filters by the names that earlier systems gave them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, fitting
from quadra.core.given import Given
from quadra.ingest.kinds import KINDS

EQUAL = {"event_type": "event_type", "event_name": "name", "event_category": "category", "session_id": "session_id"}
"""Parameter -> column."""
IDS_APART = 8


@dataclass(frozen=True)
class Listed:
    question: Question
    equal: tuple[tuple[str, str], ...]
    kind: str | None
    user_id: str | None
    """Any id of a person is all of them."""


def read_listed(given: Given, project: Project) -> Listed:
    return Listed(
        question=read_question(given, project),
        equal=tuple((name, value) for name in EQUAL if (value := given.text(name)) is not None),
        kind=given.choice("kind", tuple(KINDS), "") or None,
        user_id=given.text("user_id"),
    )


def wanted(listed: Listed, params: Parameters) -> str:
    """The condition, without the person: `of_person` says whose events they are."""
    said = [fitting(listed.question, params, kind=listed.kind)]
    said += [f"{EQUAL[name]} = {params.add(value)}" for name, value in listed.equal]
    return " AND ".join(said)


def of_person(ask: Asking, listed: Listed, params: Parameters) -> str:
    """The relation: `events`, or those of one person, id by id, which lets most of each file be left unread."""
    if listed.user_id is None:
        return "events"
    ids = ids_of(ask, listed.user_id)
    if len(ids) > IDS_APART:
        return f"(SELECT * FROM events WHERE user_id IN (SELECT unnest({params.add(ids)})))"
    return "(" + " UNION ALL ".join(f"SELECT * FROM events WHERE user_id = {params.add(each)}" for each in ids) + ")"


def ids_of(ask: Asking, user_id: str) -> list[str]:
    """Every id of the person whom an id belongs to."""
    known = ask.look.identities()
    named = known.filter(pc.equal(known["id"], user_id))["person"].to_pylist()
    person = named[0] if named else user_id
    return [person, *known.filter(pc.equal(known["person"], person))["id"].to_pylist()]
