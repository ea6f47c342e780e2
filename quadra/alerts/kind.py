"""A kind of condition, as one object: what it takes, and what fits it now. A new kind is a file in `kinds/` and its line in
`kind_list.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import orjson
from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.core import clock
from quadra.core.api.params import Params
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime

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


class Look:
    """What one round of evaluations sees: one moment, and each question asked once, however many alerts ask it."""

    def __init__(self, runtime: Runtime, at: datetime):
        self.runtime = runtime
        self.at = at
        self._known: dict[Any, Any] = {}

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

    def ask(self, project: Project, path: str, params: Mapping[str, Any], start: datetime, end: datetime) -> Any:
        """The answer of a lens over [start, end). Raises what lenses raise, `Invalid` among it."""
        key = (project.id, path, orjson.dumps([params, start, end], option=orjson.OPT_SORT_KEYS))
        asked = self.read(project, path, params, start, end)
        return self.once(key, lambda: lens_of(path).ask(self.runtime, asked))

    def read(self, project: Project, path: str, params: Mapping[str, Any], start: datetime, end: datetime) -> Any:
        """The question itself."""
        times = {"from": clock.to_us(start) // 1000, "to": clock.to_us(end) // 1000}
        return read_asked(path, {**params, **times}, project)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[W]):
    name: str
    says: str
    """What it means, as a sentence of the description."""
    When: type[W]
    """What it takes beside `kind`."""
    look: Callable[[Look, Project, W], Sequence[Found]]
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
