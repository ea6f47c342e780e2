"""One call to an OpenAI-compatible server, with a bound on its time and its size, and its errors in our words.

Imported only where an LLM is configured: the SDK costs half a second and tens of megabytes.
"""

from __future__ import annotations

import time
from typing import Any

import httpx2
import msgspec
import openai

from quadra.core.settings import Settings
from quadra.core.typed import Typed
from quadra.insights.scrub import scrub
from quadra.insights.verdicts import Completion, Rejected, Unreachable

OPENAI_URL = "https://api.openai.com/v1"
MOST_BYTES = 2**20


class Message(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    message: Message


class Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    """In USD; some servers say it."""


class Body(msgspec.Struct):
    choices: list[Choice] = []
    usage: Usage | None = None


_bodies = Typed(Body, strict=False)


def complete(settings: Settings, messages: list[dict[str, str]]) -> Completion:
    """What the model answers. Raises `Unreachable` (try later) or `Rejected` (trying again will not help)."""
    seconds = settings.llm_timeout.total_seconds()
    client = openai.OpenAI(
        api_key=settings.llm_api_key or "none",
        base_url=settings.llm_base_url or OPENAI_URL,
        timeout=seconds,
        max_retries=0,  # the job engine repeats, and the breaker counts
    )
    with client:
        try:
            return _ask(client, settings, messages, "max_tokens", seconds)
        except openai.BadRequestError as error:
            # OpenAI's newer models know only the new name, most other servers only the old one
            if "max_completion_tokens" not in str(error):
                raise _rejected(error) from None
        except openai.OpenAIError as error:
            raise _translated(error) from None  # some servers repeat the key in their message, and jobs keep tracebacks
        try:
            return _ask(client, settings, messages, "max_completion_tokens", seconds)
        except openai.OpenAIError as error:
            raise _translated(error) from None


def _ask(client: openai.OpenAI, settings: Settings, messages: Any, cap: str, seconds: float) -> Completion:
    request: dict[str, Any] = {"model": settings.llm_model, "messages": messages, cap: settings.llm_max_tokens}
    until = time.monotonic() + seconds
    with client.chat.completions.with_streaming_response.create(**request) as response:
        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Unreachable(f"The LLM's server sent more than {MOST_BYTES} bytes.")
                if time.monotonic() > until:  # the SDK's timeout only bounds the wait for each piece
                    raise Unreachable(f"The LLM's server took longer than {seconds:g} s.")
        except httpx2.HTTPError as error:
            raise Unreachable(f"The LLM's server broke off: {type(error).__name__}.") from None
    return _read(bytes(body))


def _read(body: bytes) -> Completion:
    try:
        decoded = _bodies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Completion(text=None)  # whatever this server is, it answered: judged as junk
    usage = decoded.usage or Usage()
    return Completion(
        text=decoded.choices[0].message.content if decoded.choices else None,
        prompt_tokens=_bounded(usage.prompt_tokens),
        completion_tokens=_bounded(usage.completion_tokens),
        cost_usd=usage.cost if usage.cost is not None and 0 <= usage.cost < 1e6 else None,
    )


def _bounded(tokens: int) -> int:
    return max(0, min(tokens, 10**9))


def _translated(error: openai.OpenAIError) -> Exception:
    if isinstance(error, openai.APITimeoutError):
        return Unreachable("The LLM's server did not answer in time.")
    if isinstance(error, openai.APIStatusError):
        if error.status_code in (408, 409, 425, 429) or error.status_code >= 500:
            return Unreachable(_say(error))
        return _rejected(error)
    if isinstance(error, openai.APIConnectionError):
        return Unreachable(f"The LLM's server cannot be reached: {scrub(str(error.__cause__ or error))[:200]}")
    return Unreachable(f"The LLM's server answered oddly: {type(error).__name__}.")


def _rejected(error: openai.APIStatusError) -> Rejected:
    # a wrong key, address or model fails every batch alike; a request that is refused for what it says fails only its own
    return Rejected(_say(error), always=error.status_code in (401, 403, 404))


def _say(error: openai.APIStatusError) -> str:
    return f"The LLM's server answered {error.status_code}: {scrub(error.message)[:300]}"
