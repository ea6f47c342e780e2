"""Several questions about one project at once: one turn, one connection, one moment. Each has its answer or its error by itself.

Nothing here knows HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

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


def ask_all(
    runtime: Runtime, project: Project, questions: Mapping[str, SavedQuestion], admit: Callable[[str], object]
) -> Answers:
    """Blocks, for `QUERY_TIMEOUT` at most. `admit` is given the role that a question needs, and raises what refuses it.

    Raises `Unavailable` where there are too many questions at once.
    """
    found, bytes_left = Answers(answers={}, errors={}), BYTES_MOST
    asked: dict[str, tuple[Lens[Any, Any], Any]] = {}
    for key, question in questions.items():
        with _noting(found, key):
            asked[key] = _read(runtime, project, key, question, admit)
    if not asked:
        return found
    until = time.monotonic() + runtime.settings.query_timeout.total_seconds()
    with warehouse_of(runtime).look(project.id) as moment:
        _work_ahead(runtime, list(asked.values()), moment.until(until))
        for key, (lens, one) in asked.items():
            with _noting(found, key):
                if time.monotonic() > until:
                    raise Unavailable(
                        "Those before it took all of the time; ask this one by itself.", code="query_timeout"
                    )
                answer = msgspec.json.encode(lens.ask(runtime, one, moment.until(until)))
                if len(answer) > bytes_left:
                    raise Unavailable("The answers are too large together; ask this one by itself.", code="too_large")
                bytes_left -= len(answer)
                found.answers[key] = msgspec.Raw(answer)
    return found


@contextmanager
def _noting(found: Answers, key: str) -> Iterator[None]:
    """What refuses one question leaves the others alone."""
    try:
        yield
    except QuadraError as error:
        found.errors[key] = Refused(status=error.status, code=error.code, message=error.message, fields=error.fields)


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
