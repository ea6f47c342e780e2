"""Matomo: its visits log, `Live.getLastVisitsDetails` as JSON. A visit is a session, each of its actions an event.

Addresses (`visitIp`) are not kept. Matomo takes campaign parameters out of a page's address: they are put back into the first
one of a visit, where sources of visits are looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from quadra.ingest.importers.histories.reading import Event, device, required, text_of
from quadra.ingest.wire import Refused, json_name

INSIDE = ("visits",)
NAMES = {
    "outlink": "outbound_click",
    "download": "download",
    "search": "site_search",
    "goal": "goal",
    "ecommerceOrder": "order",
    "ecommerceAbandonedCart": "cart_abandoned",
}
"""What actions are called that have no name of their own."""
KEPT = {
    "eventCategory": "event_category",
    "eventName": "event_label",
    "siteSearchKeyword": "keyword",
    "goalName": "goal",
    "orderId": "order_id",
    "itemNames": "items",
}
CAMPAIGN = {
    "utm_campaign": ("campaignName", "referrerName"),
    "utm_source": ("campaignSource",),
    "utm_medium": ("campaignMedium",),
    "utm_term": ("campaignKeyword", "referrerKeyword"),
    "utm_content": ("campaignContent",),
}
VALUES = ("eventValue", "revenue")


def read(visit: dict[str, Any]) -> Iterator[Event]:
    visit_id = required(visit, "idVisit")
    begins = f"matomo-{text_of(visit, 'idSite') or 0}-{visit_id}"
    actions = visit.get("actionDetails")
    if not isinstance(actions, list):
        raise Refused("invalid", {"actionDetails": f"must be a list, not {json_name(actions)}"})
    common = {
        "session_id": f"matomo-{visit_id}",
        "user_id": text_of(visit, "userId"),
        "anonymous_id": required(visit, "visitorId", "fingerprint"),
        "language": text_of(visit, "languageCode"),
        "screen": text_of(visit, "resolution"),
    }
    agent = device(
        text_of(visit, "deviceType"),
        text_of(visit, "browserName"),
        text_of(visit, "operatingSystemName"),
        text_of(visit, "countryCode"),
        text_of(visit, "region"),
    )
    for place, action in enumerate(actions):
        if not isinstance(action, dict):
            raise Refused("invalid", {"actionDetails": f"must hold objects, not {json_name(action)}"})
        fields = {**common, **_action(action), "event_id": f"{begins}-{_id(action, place)}"}
        if place == 0:
            fields |= _source(visit, fields.get("page_url"))
        yield fields, agent


def _action(action: Mapping[str, Any]) -> dict[str, Any]:
    kind = text_of(action, "type") or "action"
    value = next((action[name] for name in VALUES if action.get(name) not in (None, "")), None)
    properties = {ours: action[name] for name, ours in KEPT.items() if action.get(name) not in (None, "")}
    fields = {
        "kind": "page" if kind == "action" else "event",
        "timestamp": action.get("timestamp"),
        "page_title": text_of(action, "pageTitle"),
        "page_url": text_of(action, "url"),
        "value": _number(value),
        "event_type": None if kind == "action" else text_of(action, "eventAction") or NAMES.get(kind, kind),
        "properties": properties or None,
    }
    if fields["timestamp"] is None:
        raise Refused("invalid", {"timestamp": "required of each action"})
    return fields


def _id(action: Mapping[str, Any], place: int) -> str:
    """Of an action within its visit. A goal has the id of the page on which it was reached, and none of its own."""
    kind = text_of(action, "type") or "action"
    number = text_of(action, "pageId") or text_of(action, "goalPageId")
    return f"{kind}-{text_of(action, 'goalId') or ''}-{number}" if number else f"{kind}-{place}"


def _source(visit: Mapping[str, Any], page_url: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"referrer": text_of(visit, "referrerUrl")}
    if page_url and visit.get("referrerType") == "campaign" and "utm_" not in page_url:
        named = {
            ours: next(filter(None, (text_of(visit, name) for name in names)), None) for ours, names in CAMPAIGN.items()
        }
        parameters = urlencode({name: value for name, value in named.items() if value})
        page, mark, fragment = page_url.partition("#")
        if parameters:
            found["page_url"] = f"{page}{'&' if '?' in page else '?'}{parameters}{mark}{fragment}"
    return found


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        raise Refused("invalid", {"value": f"must be a number, not {str(value)[:60]!r}"}) from None
