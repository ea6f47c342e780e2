"""Insights made, what the LLM took, and the breakers that all processes share."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core.observing.metrics import counter, gauges, histogram
from quadra.core.settings import Settings
from quadra.insights import breaker

insights_total = counter("insights_total", "Insights written.", ("analyst",))
ai_requests_total = counter("ai_requests_total", "Calls of the LLM.", ("model", "status"))
ai_tokens_total = counter("ai_tokens_total", "Tokens the LLM took, prompt and answer.", ("model",))
ai_cost_usd_total = counter("ai_cost_usd_total", "What the LLM cost, where the price is known.", ("model",))
ai_request_duration_seconds = histogram("ai_request_duration_seconds", "Of a call of the LLM.", ("model",))

BREAKER_NUMBERS = {"CLOSED": 0, "HALF_OPEN": 1, "OPEN": 2}


def asked(*, model: str, tokens: int, cost_usd: float | None, seconds: float, error: bool) -> None:
    """A call of the LLM ended."""
    ai_requests_total.labels(model, "error" if error else "success").inc()
    ai_request_duration_seconds.labels(model).observe(seconds)
    ai_tokens_total.labels(model).inc(tokens)
    ai_cost_usd_total.labels(model).inc(cost_usd or 0)


def breakers(session: Session, settings: Settings) -> Iterator[GaugeMetricFamily]:
    shown = breaker.states(session, cooldown=settings.breaker_cooldown)
    says = "0 CLOSED, 1 HALF_OPEN, 2 OPEN."
    yield gauges("breaker_state", says, ("name",), {name: BREAKER_NUMBERS[one["state"]] for name, one in shown.items()})


GAUGES = (breakers,)
