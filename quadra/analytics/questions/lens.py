"""A lens: a question over all events, as one object.

Its doors under both prefixes, its description, saved views, share links and the SQL report follow from it. Nothing here
knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Generic, Literal, TypeVar

from msgspec import NODEFAULT, Struct, structs

from quadra.accounts.tables import Project
from quadra.analytics.kept.segments import segment_of
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import Snapshot, Statement, snapshot
from quadra.analytics.visits.goal import Goal
from quadra.core.api.params import Params as Own
from quadra.core.api.raw_params import RawParams
from quadra.core.observing.metrics import histogram
from quadra.core.runtime import Runtime
from quadra.warehouse.query.snapshot import Look
from quadra.warehouse.query.span import Range

query_duration_seconds = histogram(
    "query_duration_seconds", "From a question that was understood to its answer.", ("lens",)
)


class Asked(Struct, kw_only=True, frozen=True):
    """What was asked and found right. A lens adds the parameters of its own."""

    question: Question
    project: Project
    goals: tuple[Goal, ...] = ()
    """Those that it names by their ids, once they are loaded."""

    def check(self, raw: RawParams) -> None:
        """Note in `given` what is wrong about several parameters together."""


PREFIXES = ("/api/analytics", "/api/v2/analytics")
P = TypeVar("P", bound=Asked)
A = TypeVar("A", bound=Struct)


def _of_question(asked: Asked) -> Range:
    return asked.question.range


@dataclass(frozen=True)
class Together(Generic[P, A]):
    """How a lens answers many questions about one range by reading it once, for whoever asks a thousand again and again."""

    fits: Callable[[P], bool]
    answer: Callable[[Snapshot, Sequence[P]], Sequence[A]]


@dataclass(frozen=True, kw_only=True)
class Lens(Generic[P, A]):
    path: str
    """Behind the prefix; what stands in braces is a parameter."""
    title: str
    says: str
    group: str
    """Under which title its description stands."""
    Params: type[P]
    Answer: type[A]
    statements: Callable[[P], Sequence[Statement]]
    """What it asks, for people who want to run it elsewhere."""
    answer: Callable[[Snapshot, P], A]
    asks: Asks = field(default_factory=Asks)
    span: str = ""
    """The parameter that says how many periods the range has where `from` or `to` is left out."""
    together: Together[P, A] | None = None
    """Left out: each of its questions reads for itself."""
    ahead: Callable[[Snapshot, Sequence[P]], None] | None = None
    """Works out what several of its questions have in common and keeps it, so that each finds it when it is asked. They are
    about the events of the same people, and lie within the snapshot.
    """
    load: Callable[[Runtime, P], P] = lambda _runtime, asked: asked
    """Finds what it names by ids. Raises `NotFound`."""
    range: Callable[[P], Range] = _of_question
    """Of the events that it looks at."""
    needs: Literal["viewer", "editor"] = "viewer"
    in_body: bool = False
    """Asked by a JSON body: it is too long for an address."""
    prefixes: tuple[str, ...] = PREFIXES
    project_as: str = "project"
    """Another name under which the project may be given."""

    def __post_init__(self) -> None:
        self.own  # noqa: B018  a struct is looked through while modules are imported, and never by several threads at once

    @cached_property
    def own(self) -> Own[P]:
        """The parameters beside the common ones."""
        return Own(self.Params, without=("question", "project", "goals"))

    def read(self, raw: RawParams, project: Project) -> P:
        """Raises `Invalid`, naming every wrong field."""
        raw.refuse_unknown((*self.own.names, *self.asks.names))
        values = self.own.read(raw)
        question = self.asks.read(raw, project, values.get(self.span))
        if any(value is NODEFAULT for value in values.values()):
            raw.check()
        asked = self.Params(question=question, project=project, **values)
        asked.check(raw)
        raw.check()
        return asked

    def loaded(self, runtime: Runtime, asked: P) -> P:
        """With what it names by ids. Raises `NotFound`."""
        if asked.question.segment is not None:
            people = segment_of(runtime, asked.project.id, asked.question.segment)
            asked = structs.replace(asked, question=replace(asked.question, people=people))
        return self.load(runtime, asked)

    def ask(self, runtime: Runtime, asked: P, moment: Look | None = None) -> A:
        """Blocks. `moment` is as `snapshot` takes it.

        Raises `Unavailable` as every question does, `Invalid` where it has too many periods, `NotFound` where
        it names what is not there.
        """
        asked = self.loaded(runtime, asked)
        with (
            query_duration_seconds.labels(self.path).time(),
            snapshot(runtime, asked.question, self.range(asked), moment=moment) as events,
        ):
            return self.answer(events, asked)

    def ask_together(self, runtime: Runtime, asked: Sequence[P], moment: Look) -> Sequence[A]:
        """What `ask` answers to each of these. `together` fits them all, and they are about one range."""
        first = asked[0]
        with snapshot(runtime, first.question, self.range(first), moment=moment) as events:
            return self.together.answer(events, asked) if self.together else [self.answer(events, one) for one in asked]
