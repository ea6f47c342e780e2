"""The LLM analyst: a briefing goes out, a checked answer comes back, and what it cost is written down.

The local insight is there before this begins and stays whatever happens here.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.insights import answer, breaker, costs
from quadra.insights.answer import Answer, Junk
from quadra.insights.briefing import messages
from quadra.insights.verdicts import Completion, Rejected, Unreachable, counts
from quadra.jobs.errors import Transient

BREAKER = "llm"
SLACK = timedelta(seconds=30)
"""A call may end this much after its timeout: connecting, and the last piece of an answer, come on top."""


class JunkAnswer(Transient):
    """The LLM's answer cannot be used."""

    code = "llm_junk"


@dataclass(frozen=True)
class Told:
    """What the LLM said, and what that took."""

    answer: Answer
    tokens: int
    cost_usd: float | None
    milliseconds: float


def ask(runtime: Runtime, data: dict[str, Any], *, call_id: str) -> Told:
    """Ask the LLM about a briefing. Blocks, at most a little longer than LLM_TIMEOUT.

    Raises `Unavailable` (breaker open), `Unreachable`, `Rejected`, or `JunkAnswer`. Every call that was made is recorded.
    """
    began = time.monotonic()
    settings = runtime.settings
    try:
        done = breaker.call(runtime.database, guard(settings), lambda: _complete(settings, data), counts=counts)
    except (Unreachable, Rejected) as error:
        costs.record(runtime, call_id=call_id, done=Completion(None), milliseconds=_since(began), error=error.message)
        raise
    milliseconds = _since(began)
    try:
        parsed = answer.read(done.text)
    except Junk as error:
        costs.record(runtime, call_id=call_id, done=done, milliseconds=milliseconds, error=str(error))
        raise JunkAnswer(str(error)) from error
    costs.record(runtime, call_id=call_id, done=done, milliseconds=milliseconds, error=None)
    return Told(parsed, done.prompt_tokens + done.completion_tokens, costs.cost_of(settings, done), milliseconds)


def guard(settings: Settings) -> breaker.Guard:
    return breaker.Guard(
        BREAKER, settings.breaker_failures, settings.breaker_cooldown, trial_length=settings.llm_timeout + SLACK
    )


def _complete(settings: Settings, data: dict[str, Any]) -> Completion:
    # the SDK is large, and most installations never ask an LLM
    provider = importlib.import_module("quadra.insights.provider")
    done: Completion = provider.complete(settings, messages(data))
    return done


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
