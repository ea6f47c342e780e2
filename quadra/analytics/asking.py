"""Several questions about one project at once: one turn, one connection, one moment. Each has its answer or its error by itself.

Nothing here knows HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from quadra.accounts.params import OF_KEY
from quadra.accounts.tables import Project
from quadra.analytics.lens_list import BY_PATH, lens_of, read_asked
from quadra.analytics.views.saved_views import EXAMPLE, KEY, SavedQuestion
from quadra.core.errors import Invalid, QuadraError, Unavailable
from quadra.core.runtime import Runtime
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.query.snapshot import Look

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
    until = time.monotonic() + runtime.settings.query_timeout.total_seconds()
    with warehouse_of(runtime).look(project.id) as moment:
        for key, question in questions.items():
            try:
                if time.monotonic() > until:
                    raise Unavailable(
                        "Those before it took all of the time; ask this one by itself.", code="query_timeout"
                    )
                answer = _answer(runtime, project, key, question, admit, moment.until(until))
                if len(answer) > bytes_left:
                    raise Unavailable("The answers are too large together; ask this one by itself.", code="too_large")
            except QuadraError as error:
                found.errors[key] = Refused(
                    status=error.status, code=error.code, message=error.message, fields=error.fields
                )
            else:
                bytes_left -= len(answer)
                found.answers[key] = msgspec.Raw(answer)
    return found


def _answer(
    runtime: Runtime,
    project: Project,
    key: str,
    question: SavedQuestion,
    admit: Callable[[str], object],
    moment: Look,
) -> bytes:
    if not KEY.fullmatch(key):
        raise Invalid("A key has at most 64 letters, digits, _ and -.")
    lens = lens_of(question.lens)
    admit(lens.needs)
    params = dict(question.params)
    if params.pop("project", None) not in (None, project.slug):
        raise Invalid("All questions are about one project.", fields={"project": "left out, or beside `questions`"})
    return msgspec.json.encode(lens.ask(runtime, read_asked(lens.path, params, project), moment))


LENS_NAMES = ", ".join(f"`{path}`" for path in BY_PATH)
