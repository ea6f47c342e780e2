"""The LLM's server, where one is configured: reachable, and it knows our key. Asking for the list of models costs nothing."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

from quadra import __version__
from quadra.health.context import CheckContext
from quadra.health.verdict import DEGRADED, HEALTHY, Found, check, degraded, graded, unhealthy
from quadra.insights.breaker import NEVER_CALLED, states
from quadra.insights.llm import BREAKER

OPENAI_URL = "https://api.openai.com/v1"


@check("ai", seconds=8, keep_seconds=60, worst=DEGRADED)
def ai_provider(context: CheckContext) -> Found | None:
    settings = context.runtime.settings
    if not settings.llm_configured:
        return None
    with context.runtime.database.read() as session:
        known = states(session, cooldown=settings.breaker_cooldown)
    breaker = known.get(BREAKER, NEVER_CALLED).state
    details = {"model": settings.llm_model, "breaker": breaker}
    if breaker == "OPEN":
        return degraded(
            "Its breaker is open after failures in a row; the local analyst writes the insights.", **details
        )
    url = f"{(settings.llm_base_url or OPENAI_URL).rstrip('/')}/models"
    headers = {"User-Agent": f"quadra/{__version__}"}
    if settings.llm_api_key:
        headers["Authorization"] = f"Bearer {settings.llm_api_key}"
    began = time.monotonic()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=6) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        with error:  # any answer shows that it is there; not every server has a list of models
            if error.code in (401, 403):
                return degraded(f"It answers {error.code}: is QUADRA_LLM_API_KEY right?", **details)
            if error.code >= 500:
                return unhealthy(f"It answers {error.code}.", **details)
    except (OSError, ValueError) as error:
        return unhealthy(f"It cannot be reached: {getattr(error, 'reason', error)}.", **details)
    ms = round((time.monotonic() - began) * 1000, 1)
    status = graded(ms, settings.health_ai_warn.total_seconds() * 1000, settings.health_ai_fail.total_seconds() * 1000)
    said = {HEALTHY: "It answers", DEGRADED: "It answers slowly"}.get(status, "It answers much too slowly")
    return Found(status, f"{said}: {ms:g} ms.", {"latency_ms": ms, **details})
