"""Insights made, what AI calls took, and the breakers that all processes share.

Calls are Quadra's own, counted as each ends, and those that clients report by events of kind `ai`, counted by the worker once
their batch is analysed: nothing is counted where events come in.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.observing.metrics import counter, gauges, histogram
from quadra.core.settings import Settings
from quadra.insights import breaker
from quadra.insights.digest import Model

insights_total = counter("insights_total", "Insights written.", ("analyst",))
ai_requests_total = counter(
    "ai_requests_total",
    "Calls of AI models: Quadra's own, and those of clients once their batch is analysed.",
    ("model", "status"),
)
ai_tokens_total = counter("ai_tokens_total", "Tokens that those calls took, prompt and answer.", ("model",))
ai_cost_usd_total = counter("ai_cost_usd_total", "What those calls cost, where the price is known.", ("model",))
ai_request_duration_seconds = histogram("ai_request_duration_seconds", "Of a call of Quadra's own.", ("model",))

MODELS_MOST = 50
"""Models that a process names. Whoever has a write key makes up names: beyond these they are one, `(other)`."""
BREAKER_NUMBERS = {"CLOSED": 0, "HALF_OPEN": 1, "OPEN": 2}


def asked(*, model: str, tokens: int, cost_usd: float | None, seconds: float, error: bool) -> None:
    """A call of the LLM ended."""
    ai_requests_total.labels(model, "error" if error else "success").inc()
    ai_request_duration_seconds.labels(model).observe(seconds)
    ai_tokens_total.labels(model).inc(tokens)
    ai_cost_usd_total.labels(model).inc(cost_usd or 0)


class Names:
    """The first names that a process met; `(other)` for those after them. Safe from any thread."""

    def __init__(self, most: int):
        self._most = most
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def of(self, name: str) -> str:
        with self._lock:
            if name not in self._known and len(self._known) >= self._most:
                return "(other)"
            self._known.add(name)
            return name


_models = Names(MODELS_MOST)


def clients_asked(models: Mapping[str, Model], *, scale: float) -> None:
    """Calls that the events of a batch report; `scale` is how many events each one stands for, where a sample was read."""
    for name, model in models.items():
        shown = _models.of(name)
        ai_requests_total.labels(shown, "error").inc(model.failed * scale)
        ai_requests_total.labels(shown, "success").inc((model.calls - model.failed) * scale)
        ai_tokens_total.labels(shown).inc(model.tokens * scale)
        # a cost may be below zero, a counter never falls
        ai_cost_usd_total.labels(shown).inc(max(model.mean_usd, 0.0) * model.calls * scale)


def breakers(session: Session, settings: Settings) -> Iterator[GaugeMetricFamily]:
    shown = breaker.states(session, cooldown=settings.breaker_cooldown)
    says = "0 CLOSED, 1 HALF_OPEN, 2 OPEN."
    yield gauges("breaker_state", says, ("name",), {name: BREAKER_NUMBERS[one.state] for name, one in shown.items()})


GAUGES = (breakers,)
