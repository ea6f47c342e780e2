"""Doors to the rows of one kind that projects own, such as alerts and goals: list, make, change, delete.

Here stands what is the same for all kinds: who may, how many there may be, and one transaction for the row and its audit
entry. A room gives what differs: how a row is made of a request, and how rows are shown.

    goals = ProjectRows(doors, GoalRow, "/api/goals", "goal", answers=Goal, shown=_shown, action="analytics.goal", most=500)
    goals.pages(Goals)
    goals.makes(Params(NewGoal), _make)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import require_owned, require_project
from quadra.accounts.answers import Done
from quadra.accounts.noting import note
from quadra.accounts.params import OF_PROJECT, OfProject
from quadra.accounts.projects import check_room
from quadra.accounts.tables import Project
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says, within
from quadra.core.errors import Invalid
from quadra.core.web.http import runtime

CURSOR = re.compile(r"[0-9a-f-]{36}")
EXAMPLE = "019be0c4-3c00-7000-8000-000000000001"


class Row(Protocol):
    """A row that belongs to a project; its id is a `uuid7`."""

    @property
    def id(self) -> str: ...
    @property
    def project_id(self) -> int: ...


class Listing(OfProject, kw_only=True):
    limit: Annotated[int, within(1, 1_000, "How many to a page.")] = 50
    cursor: Annotated[str | None, says("That of the page before.")] = None


LISTING = Params(Listing)

R = TypeVar("R", bound=Row)
A = TypeVar("A", bound=Struct)
L = TypeVar("L", bound=Struct)
N = TypeVar("N", bound=Struct)
C = TypeVar("C", bound=Struct)
Shown: TypeAlias = Callable[[Session, Sequence[R], Project], list[A]]
"""Shows rows of one project, all at once: what stands in other tables is read by one query."""


def each(show: Callable[[R, Project], A]) -> Shown[R, A]:
    """Shows rows that need nothing beside them."""
    return lambda _session, rows, project: [show(row, project) for row in rows]


class ProjectRows(Generic[R, A]):
    """The doors of one kind of row. Viewers of the project read, editors write; each write is audited as `action`.verb."""

    def __init__(
        self,
        doors: Doors,
        table: type[R],
        path: str,
        one: str,
        *,
        answers: type[A],
        shown: Shown[R, A],
        action: str,
        most: int,
        noted: Sequence[str] = ("name",),
        seen: Callable[[R], bool] = lambda _row: True,
    ):
        """`one` is the kind's name in messages, `most` how many a project may have, `noted` the columns that the audit log
        shows; `seen` is whether the caller may know of a row at all.
        """
        self._doors, self._table, self._path, self._one = doors, table, path, one
        self._answers, self._shown, self._action, self._noted = answers, shown, action, noted
        self.most, self._seen = most, seen
        self._field = path.rsplit("/", 1)[-1].replace("-", "_")
        self._many = self._field.replace("_", " ")
        self._a_row = f"{'an' if one[0] in 'aeiou' else 'a'} {one}"
        self._id = f"{one.rsplit(maxsplit=1)[-1]}_id"
        self.named = {self._id: Param(name=self._id, shape=str, example=EXAMPLE)}
        self._at = f"{path}/{{{self._id}}}"

    def get(self, session: Session, row_id: str, role: str) -> tuple[R, Project]:
        """The row with its project, where the caller has `role` in that. Raises `NotFound`, as `require_owned` does."""
        row = session.get(self._table, row_id)
        return require_owned(session, row if row is not None and self._seen(row) else None, role, self._one)

    @contextmanager
    def editing(self, row_id: str, verb: str, **details: object) -> Iterator[tuple[Session, R, Project]]:
        """A transaction over the row of an editor, that ends with the audit entry."""
        with runtime().database.begin() as session:
            row, project = self.get(session, row_id, "editor")
            yield session, row, project
            self._note(session, verb, row, details)

    def lists(self, answers: type[L], *, answer_says: str = "The oldest first.") -> None:
        """All of a project."""

        @self._doors(
            "GET",
            self._path,
            title=f"List {self._many}",
            answers=answers,
            answer_says=answer_says,
            asks=OF_PROJECT,
            needs="viewer",
            refuses=(404,),
        )
        def list_rows(asked: OfProject) -> L:
            project = require_project(asked.project, "viewer")
            with runtime().database.read() as session:
                rows = [row for row in self._rows(session, project)[::-1] if self._seen(row)]
                return answers(**{self._field: self._shown(session, rows, project)})

    def pages(self, answers: type[L]) -> None:
        """Those of a project, page by page."""

        @self._doors(
            "GET",
            self._path,
            title=f"List {self._many}",
            answers=answers,
            answer_says="Newest first.",
            asks=LISTING,
            needs="viewer",
            refuses=(404,),
        )
        def list_rows(asked: Listing) -> L:
            project = require_project(asked.project, "viewer")
            if asked.cursor is not None and not CURSOR.fullmatch(asked.cursor):
                raise Invalid("This page cannot be shown.", fields={"cursor": "as the page before gave it"})
            with runtime().database.read() as session:
                found = self._rows(session, project, asked.cursor, asked.limit + 1)
                rows, more = found[: asked.limit], len(found) > asked.limit
                cursor = rows[-1].id if more else None
                return answers(**{self._field: self._shown(session, rows, project)}, cursor=cursor)

    def makes(
        self,
        asks: Params[N],
        make: Callable[[Session, N, Project], R],
        *,
        title: str = "",
        says: str = "",
        answer_says: str = "It is made.",
        answers: type[L] | None = None,
        shown: Shown[R, L] | None = None,
    ) -> None:
        """`make` gives a row that is not in the session yet. `shown` gives `answers`, where the answer of this door alone has
        more: a secret.
        """

        @self._doors(
            "POST",
            self._path,
            title=title or f"Make {self._a_row}",
            says=says,
            answers=answers or self._answers,
            answer_says=answer_says,
            asks=asks,
            needs="editor",
            status=201,
            refuses=(404, 409),
        )
        def make_row(asked: N) -> Struct:
            slug: str | None = asked.project  # type: ignore[attr-defined]  # in every struct of a new row
            project = require_project(slug, "editor")
            with runtime().database.begin() as session:
                row = make(session, asked, project)
                check_room(session, self._table, project.id, self.most, self._many)
                session.add(row)
                session.flush()
                self._note(session, "created", row)
                return (shown or self._shown)(session, [row], project)[0]

    def changes(self, asks: Params[C], change: Callable[[Session, C, R, Project], None], *, says: str = "") -> None:
        @self._doors(
            "PATCH",
            self._at,
            title=f"Change {self._a_row}",
            says=says,
            answers=self._answers,
            answer_says="It is changed.",
            asks=asks,
            named=self.named,
            needs="editor",
            refuses=(404,),
        )
        def change_row(asked: C, **at: str) -> A:
            with self.editing(at[self._id], "changed") as (session, row, project):
                change(session, asked, row, project)
                return self._shown(session, [row], project)[0]

    def deletes(
        self,
        delete: Callable[[Session, R], None] = Session.delete,
        *,
        says: str = "",
        refuses: tuple[int, ...] = (404,),
    ) -> None:
        @self._doors(
            "DELETE",
            self._at,
            title=f"Delete {self._a_row}",
            says=says,
            answers=Done,
            answer_says="It is gone.",
            named=self.named,
            needs="editor",
            refuses=refuses,
        )
        def delete_row(**at: str) -> Done:
            with self.editing(at[self._id], "deleted") as (session, row, _project):
                delete(session, row)
            return Done(success=True)

    def _rows(self, session: Session, project: Project, after: str | None = None, limit: int | None = None) -> list[R]:
        """The newest first; those that are older than the one with the id `after`."""
        table: Any = self._table
        query = sa.select(table).where(table.project_id == project.id)
        if after is not None:
            query = query.where(table.id < after)
        return list(session.scalars(query.order_by(table.id.desc()).limit(limit)))

    def _note(self, session: Session, verb: str, row: R, details: dict[str, object] | None = None) -> None:
        shown = {name: getattr(row, name) for name in self._noted} | (details or {})
        note(session, f"{self._action}.{verb}", subject=row.id, project_id=row.project_id, details=shown)
