"""Erase a person from what people keep too: `[erased]` stands where a view, a goal, a segment or an annotation named them.

Only filters and fields that say whose events are meant are looked at, so a user called `signup` leaves the funnel of that
event as it is. An id that is a bare number is taken for a person only where ids stand: `status = 500` is nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from quadra.analytics import export_files
from quadra.analytics.tables import (
    ANNOTATION_MOST,
    NAME_MOST,
    Annotation,
    ExportedFile,
    GoalRow,
    SavedView,
    SegmentOfPeople,
)
from quadra.core.runtime import Runtime
from quadra.insights import forgetting
from quadra.insights.forgetting import named, without
from quadra.insights.forgetting_field import forget_in_field
from quadra.jobs.lease import Lease

AT_ONCE = 50
"""Rows looked at in one go; each may be 128 KB."""
WHO = {"user", "user_id", "anonymous_id"}
"""Parameters of lenses and pages that are a person's id."""
STATEMENT = "sql"
"""The parameter that is a statement, in which anybody may be named."""
ID = re.compile(r"(?:^|_)id$|I[dD]$")
"""Ends the name of a property that holds ids."""
FILTER = re.compile(r"(?:\w+_)?where(?:\[(?P<property>.*?)\](?:\[\w+\])?)?", re.DOTALL)


def erase_person(runtime: Runtime, lease: Lease, *, also: Iterable[forgetting.Forget] = ()) -> None:
    """The job `erase`: insights, what people keep, rows and files, and `also` what rooms above hand in."""
    forgetting.erase_person(runtime, lease, also=[forget_in_kept, forget_in_field, *also])


@dataclass(frozen=True, slots=True)
class Person:
    ids: re.Pattern[str]
    words: re.Pattern[str] | None
    """Those of the ids that are more than a number; None where all are numbers."""

    def out_of_text(self, text: Any, *, of_ids: bool = False) -> Any:
        names = self.ids if of_ids else self.words
        return without(text, names) if names else text

    def out_of_filter(self, value: Any, prop: str) -> Any:
        """A value, a list of them, or an object of operators with theirs."""
        if isinstance(value, dict):
            return {op: self.out_of_filter(each, prop) for op, each in value.items()}
        return self.out_of_text(value, of_ids=bool(ID.search(prop)))

    def out_of(self, value: Any, key: str = "") -> Any:
        """`value` as it stands under the parameter `key`."""
        if key in WHO:
            return self.out_of_text(value, of_ids=True)
        if key == STATEMENT:
            return self.out_of_text(value)
        if found := FILTER.fullmatch(key):
            if (prop := found["property"]) is None and isinstance(value, dict):
                return {prop: self.out_of_filter(each, prop) for prop, each in value.items()}
            return self.out_of_filter(value, prop or "")
        if isinstance(value, dict):
            return {name: self.out_of(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.out_of(each) for each in value]
        return self._out_of_json(value) if isinstance(value, str) and value[:1] in ("[", "{") else value

    def _out_of_json(self, text: str) -> str:
        """Pages keep the steps of a funnel like this in their address."""
        try:
            inside = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        kept = self.out_of(inside)
        return text if kept == inside else orjson.dumps(kept).decode()


def forget_in_kept(runtime: Runtime, lease: Lease, project_id: int, ids: Sequence[str]) -> None:
    """Of that project: views, shared or not, goals, segments, annotations. They stay, and so do the links to views. Exported
    files go.
    """
    export_files.forget(runtime, lease, project_id)
    for table, forget in KEPT.items():
        forget_in(runtime, lease, ids, sa.select(table).where(table.project_id == project_id), table, forget)


def forget_in(
    runtime: Runtime, lease: Lease, ids: Sequence[str], rows: Any, table: Any, forget: Callable[[Person, Any], None]
) -> None:
    """In each of these rows of a table, a few at a time."""
    words = [one for one in ids if not one.isdigit()]
    person = Person(named(ids), named(words) if words else None)
    after = ""
    while not lease.lost.is_set():
        query = rows.where(table.id > after).order_by(table.id)
        with runtime.database.begin() as session:
            lease.hold(session)
            chunk = list(session.scalars(query.limit(AT_ONCE)))
            for row in chunk:
                forget(person, row)
        if not chunk:
            break
        after = chunk[-1].id


def _in_view(person: Person, view: SavedView) -> None:
    view.name = person.out_of_text(view.name)[:NAME_MOST]
    view.params = person.out_of(view.params)
    view.questions = person.out_of(view.questions)


def _in_goal(person: Person, goal: GoalRow) -> None:
    goal.name = person.out_of_text(goal.name)[:NAME_MOST]
    goal.where = person.out_of(goal.where, "where")


def _in_segment(person: Person, segment: SegmentOfPeople) -> None:
    segment.name = person.out_of_text(segment.name)[:NAME_MOST]
    segment.rule = person.out_of(segment.rule)


def _in_annotation(person: Person, annotation: Annotation) -> None:
    annotation.text = person.out_of_text(annotation.text)[:ANNOTATION_MOST]


def _in_export(person: Person, export: ExportedFile) -> None:
    export.asked = {name: person.out_of(values, name) for name, values in export.asked.items()}


KEPT: dict[Any, Callable[[Person, Any], None]] = {
    SavedView: _in_view,
    GoalRow: _in_goal,
    SegmentOfPeople: _in_segment,
    Annotation: _in_annotation,
    ExportedFile: _in_export,
}
