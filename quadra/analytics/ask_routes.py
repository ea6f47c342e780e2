"""The door at which several questions are asked at once."""

from __future__ import annotations

import msgspec
from flask import Response, request

from quadra.accounts.access import require_project
from quadra.analytics.asking import LENS_NAMES, QUESTIONS_MOST, Answers, Asking, Questions, Refused, read_all
from quadra.analytics.questions.lens import PREFIXES
from quadra.core.api.doors import Doors, answered
from quadra.core.api.openapi import Answer
from quadra.core.api.params import Params
from quadra.core.web.http import runtime
from quadra.core.web.limits import count_again
from quadra.core.web.told import told

doors = Doors("ask", __name__)

WHOLE, LINES = "application/json", "application/x-ndjson"

EXAMPLE = Answers(
    answers={
        "signups": {"series": [], "computed_at": "2026-01-31T12:00:00.000Z", "rows_read": 51_200, "elapsed_ms": 12.4}
    },
    errors={
        "people": Refused(
            status=400,
            code="invalid",
            message="The question cannot be answered as it is.",
            fields={"timezone": "a name such as Europe/Berlin"},
        )
    },
)

SEVERAL = Answer(says="Each key once.", shape=Answers, example=msgspec.to_builtins(EXAMPLE), other_media=(LINES,))


def reply(asking: Asking) -> Response:
    """All of them as one object, or each as a line where the caller prefers that."""
    if request.accept_mimetypes.best_match((WHOLE, LINES)) == LINES:
        return Response(told(asking.lines(runtime())), content_type=LINES)
    return answered(asking.all(runtime()))


@doors(
    "POST",
    *(f"{prefix}/ask" for prefix in PREFIXES),
    title="Ask several questions",
    says=f"Up to {QUESTIONS_MOST} about one project and one moment, in the order in which they stand. `lens` is the end of a "
    f"question's address ({LENS_NAMES}), `params` are its parameters or its body. Each key is among the answers, or among the "
    "errors with what its own door says. Each question counts as one request against the limit of reads. With "
    f"`Accept: {LINES}` each is a line of its own, `key` and `answer` or `error`, sent as soon as it is there.",
    needs="viewer",
    asks=Params(Questions),
    answers=SEVERAL,
    refuses=(404, 503),
)
def ask_several(asked: Questions) -> Response:
    project = require_project(asked.project, "viewer")
    counted = 0

    def admit(needs: str) -> None:
        nonlocal counted
        if counted:  # the request itself counted as the first one
            count_again()
        counted += 1
        require_project(asked.project, needs)

    return reply(read_all(runtime(), project, asked.questions, admit))
