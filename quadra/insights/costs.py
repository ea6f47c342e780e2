"""What Quadra's own LLM calls cost, as `ai` events in the project `quadra`: on the same page as any other AI usage.

In a project of its own, since it is not the users' traffic: in the project of the batch, each call would make an event, its
batch another call, and so on without end. Batches of the project `quadra` are never sent to the LLM, for the same reason.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from quadra.accounts.projects import OWN, create_project, get_project
from quadra.core import clock
from quadra.core.errors import Conflict, NotFound
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.ingest.accept import Sender, accept
from quadra.ingest.own_log import OwnLog
from quadra.ingest.wire import Wire
from quadra.insights import metrics
from quadra.insights.verdicts import Completion

MILLION = 1_000_000


def own_project(session: Session) -> int:
    """The id of the project `quadra`, made where it is missing. Needs a session that may write."""
    try:
        return get_project(session, OWN).id
    except NotFound:
        try:
            return create_project(session, name="Quadra itself", slug=OWN).id
        except Conflict:  # another worker made it this moment
            return get_project(session, OWN).id


def cost_of(settings: Settings, done: Completion) -> float | None:
    """In USD: what the server said, else by the prices in the settings, else unknown."""
    prompt, completion = settings.llm_prompt_usd_per_million, settings.llm_completion_usd_per_million
    if done.cost_usd is not None or (prompt is None and completion is None):
        return done.cost_usd
    return (done.prompt_tokens * (prompt or 0) + done.completion_tokens * (completion or 0)) / MILLION


def record(runtime: Runtime, *, call_id: str, done: Completion, milliseconds: float, error: str | None) -> None:
    """Store the event of one call. `call_id` names the call: recorded twice it is counted once. Raises `Unavailable`."""
    cost: Any = cost_of(runtime.settings, done)
    metrics.asked(
        model=runtime.settings.llm_model[:200],
        tokens=done.prompt_tokens + done.completion_tokens,
        cost_usd=cost,
        seconds=milliseconds / 1000,
        error=error is not None,
    )
    with runtime.database.begin() as session:
        project_id = own_project(session)
    wire = Wire(
        event_id=f"llm:{call_id}",
        kind="ai",
        event_type="ai",
        model=runtime.settings.llm_model[:200],
        provider="openai-compatible",
        request_type="insight",
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
        cost_usd=cost,
        response_time_ms=milliseconds,
        success=error is None,
        error_message=error,
    )
    row = accept(wire, Sender(project_id=project_id, door="quadra"), clock.now_us())
    runtime.the(OwnLog).append([row])
