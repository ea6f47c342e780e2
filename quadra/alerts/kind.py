"""A kind of condition, as one object: what it takes, and what fits it now. A new kind is a file in `kinds/` and its line in
`kind_list.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import duckdb
import orjson
from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.core import clock
from quadra.core.api.params import Params
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.query.snapshot import Look as Events

W = TypeVar("W", bound=Struct)

NEW_FOR = timedelta(minutes=60)
"""How long what happens at one moment, such as a new error, counts as going on."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Something that fits a condition now."""

    subject: str = ""
    """What it is about, where a condition may fit several things at once; at most `tables.SUBJECT_MOST` characters."""
    value: float | None = None
    threshold: float | None = None
    message: str
    """One sentence with the figures, for people."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    page: str
    """The slug of the page that shows it."""
    params: Mapping[str, str] = field(default_factory=dict)
    hold: timedelta = timedelta(0)
    """How long it must fit before anybody is told."""
    happened: datetime | None = None
    """When, where it is something that happened: an alert tells nothing that is older than itself."""

    def address(self, project: Project) -> str:
        return f"/{self.page}?{urlencode({'project': project.slug, **self.params})}"


@dataclass(frozen=True)
class Query:
    """What a condition asks a lens, over [start, end)."""

    path: str
    params: Mapping[str, Any]
    start: datetime
    end: datetime

    def read(self, project: Project) -> Any:
        """As the lens has it. Raises `Invalid`."""
        times = {"from": clock.to_us(self.start) // 1000, "to": clock.to_us(self.end) // 1000}
        return read_asked(self.path, {**self.params, **times}, project)

    def key(self, project: Project) -> Any:
        said = orjson.dumps([self.params, self.start, self.end], option=orjson.OPT_SORT_KEYS)
        return project.id, self.path, said


class Look:
    """What one round of evaluations sees: one moment, each project's events opened once, and each question asked once,
    however many alerts ask it. Take the alerts of a project one after another, and close it.
    """

    def __init__(self, runtime: Runtime, at: datetime):
        self.runtime = runtime
        self.at = at
        self._known: dict[Any, Any] = {}
        self._opened = ExitStack()
        self._of: int | None = None
        """The project whose events are open."""

    @property
    def end(self) -> datetime:
        """The end of questions: everything until now, and of senders whose clock is a little fast."""
        return self.at.replace(microsecond=0) + timedelta(seconds=2)

    def once(self, key: Any, find: Callable[[], Any]) -> Any:
        """What `find` gives, or raised as a `QuadraError`, the first time that this round asks for `key`."""
        if key not in self._known:
            try:
                self._known[key] = find()
            except QuadraError as error:
                self._known[key] = error
        if isinstance(found := self._known[key], QuadraError):
            raise found
        return found

    def moment(self, project: Project) -> Events:
        """All events of a project. Raises `Unavailable`."""
        if self._of != project.id:
            self.close()
            self._of = project.id
            self._known.pop("events", None)
        events: Events = self.once(
            "events", lambda: self._opened.enter_context(warehouse_of(self.runtime).look(project.id))
        )
        return events

    def close(self) -> None:
        self._opened.close()

    def ask(self, project: Project, query: Query) -> Any:
        """The answer of a lens. Raises what lenses raise, `Invalid` among it."""

        def answer() -> Any:
            asked = query.read(project)
            return lens_of(query.path).ask(self.runtime, asked, self.moment(project))

        return self.once(query.key(project), answer)

    def prepare(self, project: Project, queries: Iterable[Query]) -> None:
        """Answer together what lenses can. Each of the others, and of those that cannot be answered, is asked by itself."""
        groups: dict[tuple[str, datetime, datetime], dict[Any, Any]] = {}
        for query in queries:
            with suppress(QuadraError):
                together, key = lens_of(query.path).together, query.key(project)
                if together is not None and key not in self._known and together.fits(asked := query.read(project)):
                    groups.setdefault((query.path, query.start, query.end), {})[key] = asked
        for (path, _start, _end), group in groups.items():
            with suppress(QuadraError, duckdb.Error):
                answers = lens_of(path).ask_together(self.runtime, list(group.values()), self.moment(project))
                self._known.update(zip(group, answers, strict=True))


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[W]):
    name: str
    says: str
    """What it means, as a sentence of the description."""
    When: type[W]
    """What it takes beside `kind`."""
    look: Callable[[Look, Project, W], Sequence[Found]]
    queries: Callable[[Look, Project, W], Sequence[Query]] = lambda _at, _project, _when: ()
    """What `look` is going to ask lenses."""
    check: Callable[[W, Project], None] = lambda _when, _project: None
    """Raises `Invalid` for what is wrong about several fields together."""
    installation: bool = False
    """Whether it tells of the whole installation: only who sees its figures may make it."""

    @cached_property
    def params(self) -> Params[W]:
        return Params(self.When)


def range_params(start: datetime, end: datetime) -> dict[str, str]:
    """The range as pages have it in their address."""
    return {"from": clock.iso(start), "to": clock.iso(end)}
