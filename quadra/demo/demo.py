"""Made-up visits to a small shop: what people look at, what they buy, what goes wrong. Pure; nothing here knows the time.

A visit is a run of steps; the goods, the words and the odds lie in `demo_shop`, the people in `demo_people`.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from quadra.demo import shop
from quadra.demo.people import Visitor, drawn
from quadra.ingest.kinds import UNNUMBERED

DECLINED, DECLINED_IN_INCIDENT = 0.06, 0.8
"""How many of those who pay are declined."""


class Step(NamedTuple):
    """One event, so many seconds after the one before."""

    after_seconds: float
    fields: dict[str, Any]


def visit(visitor: Visitor, session_id: str, odds: Random, *, in_incident: bool = False) -> Iterator[Step]:
    """One visit from the first page to the last; in an incident the bank declines nearly every card."""
    about = {"language": visitor.language, "screen": visitor.screen}
    common = {**visitor.identity, "session_id": session_id, **about}
    for step in _visit(visitor, odds, DECLINED_IN_INCIDENT if in_incident else DECLINED):
        yield Step(step.after_seconds, {**common, **step.fields})


def _visit(visitor: Visitor, odds: Random, declined: float) -> Iterator[Step]:
    if visitor.agent in dict(shop.BOTS):
        for _ in range(odds.randint(1, 6)):
            yield Step(odds.uniform(1, 4), _page(drawn(odds, shop.PAGES), odds))
        return
    landing, (referrer, query) = drawn(odds, shop.PAGES), shop.LANDINGS[visitor.source]
    yield Step(0, {**_page(landing, odds, query=query), "referrer": referrer or None})
    if odds.random() < 0.28:  # came, saw, left
        return
    yield from _request("GET", landing, odds)
    if visitor.user_id and odds.random() < 0.5:
        yield Step(odds.uniform(2, 9), {"kind": "identify", "traits": {"plan": odds.choice(shop.PLANS)}})
    yield Step(1, _journey("landed", 1, None))
    if odds.random() < 0.35:
        yield from _search(odds)
    basket: list[tuple[str, float]] = []
    for number in range(1 + int(odds.expovariate(0.5))):
        product, price = odds.choice(shop.PRODUCTS)
        path = f"/products/{product.lower().replace(' ', '-')}"
        yield Step(odds.uniform(4, 60), _page(path, odds, title=product))
        yield from _request("GET", "/api/products", odds)
        if number == 0:
            yield Step(1, _journey("looked", 2, "landed"))
        if odds.random() < 0.3 * shop.EAGER.get(visitor.source, 1):
            basket.append((product, price))
            yield Step(odds.uniform(3, 20), _event("added_to_basket", "shop", price, product=product))
        if odds.random() < 0.12:
            name = odds.choice(shop.FEATURES)
            yield Step(odds.uniform(2, 12), _feature(name, odds.choice(("opened", "used")), odds))
    if odds.random() < 0.1:
        yield from _ask(odds)
    if odds.random() < 0.015:
        error_type, message, stack = odds.choice(shop.ERRORS)
        yield Step(1, {"kind": "error", "error_type": error_type, "message": message, "stack_trace": stack})
    if basket:
        yield from _check_out(basket, odds, declined)


def _check_out(basket: list[tuple[str, float]], odds: Random, declined: float) -> Iterator[Step]:
    total = round(sum(price for _, price in basket), 2)
    before = "looked"
    for order, (stage, odds_to_stay) in enumerate(shop.STAGES, start=1):
        took = round(odds.lognormvariate(3, 0.6), 1)
        yield Step(
            min(took, 600),
            {"kind": "funnel", "funnel_name": "checkout", "stage": stage, "stage_order": order, "value": total},
        )
        yield Step(0.2, _journey(stage, order + 2, before))
        yield from _request("POST", f"/api/checkout/{stage}", odds)
        before = stage
        if stage == "payment" and odds.random() < declined:
            yield Step(3, {"kind": "error", **shop.DECLINED})
            return
        if odds.random() > odds_to_stay:
            return
    yield Step(0.1, {**_FUNNEL_END, "value": total})
    yield Step(0.1, {**_JOURNEY_END, "previous_step": before})
    yield Step(1, _event("order_placed", "shop", total, items=len(basket), currency="EUR"))
    yield Step(0.1, {"kind": "metric", "metric_name": "revenue", "metric_value": total, "unit": "EUR"})
    if odds.random() < 0.4:
        survey, score, question = shop.answer(odds)
        yield Step(odds.uniform(5, 40), {"kind": "survey", "survey_type": survey, "score": score, "question": question})


_FUNNEL_END = {
    "kind": "funnel",
    "event_type": "funnel_completed",
    "funnel_name": "checkout",
    "stage": "completed",
    "stage_order": UNNUMBERED,
    "success": True,
}
_JOURNEY_END = {
    "kind": "journey",
    "event_type": "journey_completed",
    "journey_type": "purchase",
    "step_name": "completed",
    "step_order": UNNUMBERED,
    "success": True,
}
"""As `/funnels/complete` and `/journeys/complete` make them."""


def _search(odds: Random) -> Iterator[Step]:
    word, hits = odds.choice(shop.SEARCHES)
    yield Step(odds.uniform(3, 20), {**_feature("search", "used", odds), "success": hits > 0})
    yield Step(0.3, _event("searched", "shop", None, query=word, results=hits))
    yield from _request("GET", "/api/search", odds)


def _ask(odds: Random) -> Iterator[Step]:
    model, provider, per_token = odds.choice(shop.MODELS)
    for _ in range(odds.randint(1, 3)):
        prompt, completion = odds.randint(80, 900), odds.randint(20, 500)
        yield Step(
            odds.uniform(5, 40),
            {
                "kind": "ai",
                "model": model,
                "provider": provider,
                "request_type": "chat",
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "cost_usd": round((prompt + 3 * completion) * per_token, 6),
                "response_time_ms": round(odds.lognormvariate(7, 0.4)),
                "success": odds.random() > 0.02,
            },
        )


def _request(method: str, path: str, odds: Random) -> Iterator[Step]:
    """The request behind what was seen; now and then a slow or a failed one."""
    failed = odds.random()
    status = 500 if failed < 0.004 else 404 if failed < 0.012 else 200
    slow = 12 if odds.random() < 0.01 else 1
    took = round(slow * odds.lognormvariate(shop.latency_of(path), 0.45), 1)
    fields = {"kind": "request", "endpoint": path, "method": method, "status_code": status, "response_time_ms": took}
    yield Step(0.05, fields)


def _page(path: str, odds: Random, title: str | None = None, query: str = "") -> dict[str, Any]:
    title = title or path.strip("/").replace("/", " ").replace("-", " ").title() or "Home"
    stay = round(odds.lognormvariate(9.5, 0.8))
    return {"kind": "page", "page_url": shop.SITE + path + query, "page_title": title, "duration_ms": stay}


def _event(event_type: str, category: str, value: float | None, **properties: Any) -> dict[str, Any]:
    return {"event_type": event_type, "event_category": category, "value": value, "properties": properties}


def _feature(name: str, action: str, odds: Random) -> dict[str, Any]:
    took = round(odds.lognormvariate(2, 0.7), 1)
    ok = odds.random() > 0.03
    return {"kind": "feature", "feature_name": name, "action": action, "duration_seconds": took, "success": ok}


def _journey(step: str, order: int, before: str | None) -> dict[str, Any]:
    return {
        "kind": "journey",
        "journey_type": "purchase",
        "step_name": step,
        "step_order": order,
        "previous_step": before,
    }
