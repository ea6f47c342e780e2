"""How a call to an LLM can end. Apart from `provider`, so that nothing else has to import the SDK."""

from __future__ import annotations

from dataclasses import dataclass

from quadra.jobs.errors import Permanent, Transient


@dataclass(frozen=True)
class Completion:
    """An answer, not yet read."""

    text: str | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    """None where nobody said what it cost."""


class Unreachable(Transient):
    """The LLM's server is away, overloaded or broken."""

    code = "llm_unreachable"


class Rejected(Permanent):
    """The LLM's server will not answer this."""

    code = "llm_rejected"

    def __init__(self, message: str, *, always: bool):
        super().__init__(message)
        self.always = always
        """Whether it will refuse every other request as well: a wrong key, address or model."""


def counts(error: BaseException) -> bool:
    """Whether the breaker counts this as a failure of the server.

    A wrong key does: otherwise each batch would become a dead letter of its own until somebody mends the key. With the breaker
    open the others wait, unspent, and go through once it is mended.
    """
    return isinstance(error, Unreachable) or (isinstance(error, Rejected) and error.always)
