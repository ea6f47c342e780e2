"""Several questions about one project at once: one turn, one connection, one moment. Each has its answer or its error by itself.

Nothing here knows HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from quadra.accounts.params import OF_KEY
from quadra.accounts.tables import Project
from quadra.analytics.lens_list import BY_PATH, lens_of, read_asked
from quadra.analytics.questions.lens import Lens
from quadra.analytics.questions.snapshot import snapshot
from quadra.analytics.views.saved_views import EXAMPLE, KEY, SavedQuestion
from quadra.core.errors import Invalid, QuadraError, Unavailable
from quadra.core.runtime import Runtime
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.query.snapshot import Look
from quadra.warehouse.query.span import Range

QUESTIONS_MOST = 20
BYTES_MOST = 8 * 2**20
"""Of all answers together: they are in memory until the last one is there."""


class Questions(Struct, kw_only=True):
    questions: Annotated[
        dict[str, SavedQuestion],
        Meta(
            max_length=QUESTIONS_MOST,
            description="By a key of one's own; as a saved view keeps them.",
            examples=[EXAMPLE],
        ),
    ]
    project: Annotated[str | None, OF_KEY] = None


class Refused(Struct, kw_only=True):
    """As the question's own door refuses it."""

    status: int
    code: str
    message: str
    fields: dict[str, str]


class Answers(Struct, kw_only=True):
    """Each key stands in one of them."""

    answers: dict[str, Any]
    errors: dict[str, Refused]


class Line(Struct, kw_only=True, omit_defaults=True):
    """One of them, where each is sent as soon as it is there."""

    key: str
    answer: Any = UNSET
    error: Refused | UnsetType = UNSET


Found = msgspec.Raw | Refused


@dataclass(frozen=True)
class Asking:
    """Questions that were read, and those that nobody can answer."""

    project: Project
    asked: Mapping[str, tuple[Lens[Any, Any], Any]]
    refused: Mapping[str, Refused]
    shown: Callable[[Any], Any] = lambda answer: answer
    """What of an answer whoever asks may see."""

    def found(self, runtime: Runtime) -> Iterator[tuple[str, Found]]:
        """Each key once, as its answer is there. Blocks, for `QUERY_TIMEOUT` at most.

        Raises `Unavailable` before the first one where there are too many questions at once.
        """
        if not self.asked:
            yield from self.refused.items()
            return
        until = time.monotonic() + runtime.settings.query_timeout.total_seconds()
        with warehouse_of(runtime).look(self.project.id) as moment:
            yield from self.refused.items()
            _work_ahead(runtime, list(self.asked.values()), moment.until(until))
            bytes_left = BYTES_MOST
            for key, (lens, one) in self.asked.items():
                try:
                    answer = self._answer(runtime, lens, one, moment, until, bytes_left)
                except QuadraError as error:
                    yield key, _refused(error)
                else:
                    bytes_left -= len(answer)
                    yield key, msgspec.Raw(answer)

    def all(self, runtime: Runtime) -> Answers:
        whole = Answers(answers={}, errors={})
        for key, found in self.found(runtime):
            if isinstance(found, Refused):
                whole.errors[key] = found
            else:
                whole.answers[key] = found
        return whole

    def lines(self, runtime: Runtime) -> Iterator[bytes]:
        for key, found in self.found(runtime):
            line = Line(key=key, error=found) if isinstance(found, Refused) else Line(key=key, answer=found)
            yield msgspec.json.encode(line) + b"\n"

    def _answer(
        self, runtime: Runtime, lens: Lens[Any, Any], one: Any, moment: Look, until: float, bytes_most: int
    ) -> bytes:
        if time.monotonic() > until:
            raise Unavailable("Those before it took all of the time; ask this one by itself.", code="query_timeout")
        answer = msgspec.json.encode(self.shown(lens.ask(runtime, one, moment.until(until))))
        if len(answer) > bytes_most:
            raise Unavailable("The answers are too large together; ask this one by itself.", code="too_large")
        return answer


def read_all(
    runtime: Runtime, project: Project, questions: Mapping[str, SavedQuestion], admit: Callable[[str], object]
) -> Asking:
    """`admit` is given the role that a question needs, and raises what refuses it."""
    asked, refused = {}, {}
    for key, question in questions.items():
        try:
            asked[key] = _read(runtime, project, key, question, admit)
        except QuadraError as error:
            refused[key] = _refused(error)
    return Asking(project, asked, refused)


def _refused(error: QuadraError) -> Refused:
    return Refused(status=error.status, code=error.code, message=error.message, fields=error.fields)


def _read(
    runtime: Runtime, project: Project, key: str, question: SavedQuestion, admit: Callable[[str], object]
) -> tuple[Lens[Any, Any], Any]:
    if not KEY.fullmatch(key):
        raise Invalid("A key has at most 64 letters, digits, _ and -.")
    lens = lens_of(question.lens)
    admit(lens.needs)
    params = dict(question.params)
    if params.pop("project", None) not in (None, project.slug):
        raise Invalid("All questions are about one project.", fields={"project": "left out, or beside `questions`"})
    return lens, lens.loaded(runtime, read_asked(lens.path, params, project))


def _work_ahead(runtime: Runtime, asked: Sequence[tuple[Lens[Any, Any], Any]], moment: Look) -> None:
    """What questions of one lens about the same people have in common. What goes wrong each of them says by itself."""
    groups: dict[str, list[tuple[Lens[Any, Any], Any]]] = {}
    for lens, one in asked:
        question = one.question
        if lens.ahead is not None:  # who is in a segment, and what is known of people, goes by the range and by bots
            same = repr((lens.path, question.segment, question.range, question.include_bots))
            groups.setdefault(same, []).append((lens, one))
    for group in groups.values():
        (lens, first), ones = group[0], [one for _lens, one in group]
        if lens.ahead is not None and len(ones) > 1:
            span = reduce(Range.around, (lens.range(one) for one in ones))
            with suppress(QuadraError), snapshot(runtime, first.question, span, moment=moment) as events:
                lens.ahead(events, ones)


LENS_NAMES = ", ".join(f"`{path}`" for path in BY_PATH)
