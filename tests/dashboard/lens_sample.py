"""Events of every kind for the pages of the lenses: few, known by number, and with the names that break pages."""

from __future__ import annotations

import time
from typing import Any

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
ARABIC = "مرحبا بالعالم"
LONG = "very-long-" + "x" * 190
NAMES = (HOSTILE, ARABIC, "🎉 launch", LONG, "export")
USERS = 6
PAGES = ("/", "/pricing", "/signup")


def sample() -> list[dict[str, Any]]:
    """Each of the people does the same today, in one session, and the first half of them did so yesterday too."""
    now = int(time.time() * 1000)
    return [one for user in range(USERS) for one in _visit(user, now - 60_000)] + [
        one for user in range(USERS // 2) for one in _visit(user, now - 86_400_000)
    ]


def _visit(user: int, at: int) -> list[dict[str, Any]]:
    name = NAMES[user % len(NAMES)]
    whose = {"userId": f"user_{user}", "sessionId": f"s{user}-{at}"}
    pages = PAGES[: 1 + user % len(PAGES)]
    stages = ("cart", "payment", "done")[: 1 + user % 3]
    steps = [{"kind": "page", "pageUrl": f"https://shop.example{path}"} for path in pages]
    steps += [{"eventType": "searched"}] * (user < 4) + [{"eventType": "bought", "properties": {"plan": name}}] * (
        user < 2
    )
    steps += [{"eventType": name, "properties": {"plan": name, "amount": user}}]
    steps += [{"kind": "feature", "featureName": name, "action": "used", "durationSeconds": 2}]
    steps += [
        {"kind": "funnel", "funnelName": name, "stage": stage, "stageOrder": n} for n, stage in enumerate(stages, 1)
    ]
    steps += [
        {"kind": "journey", "journeyType": name, "stepName": stage, "stepOrder": n} for n, stage in enumerate(stages, 1)
    ]
    steps += [
        {"kind": "survey", "surveyType": t, "score": 4 + user % 2, "context": name} for t in ("nps", "csat", "ces")
    ]
    steps += [
        {
            "kind": "ai",
            "model": name,
            "promptTokens": 100,
            "completionTokens": 20,
            "costUsd": 0.5,
            "responseTimeMs": 300,
        }
    ]
    steps += [{"kind": "error", "errorType": name, "message": HOSTILE, "stackTrace": f"at f\n{HOSTILE}"}]
    steps += [
        {
            "kind": "request",
            "endpoint": name,
            "method": "GET",
            "statusCode": 200 + 300 * (user == 0),
            "responseTimeMs": 40,
        }
    ]
    return [{**whose, **step, "timestamp": at + 1000 * place} for place, step in enumerate(steps)]
