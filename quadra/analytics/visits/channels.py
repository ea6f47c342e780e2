"""The channel of a visit: the first rule that fits its source. The hosts and click ids lie in `channels.json`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

from quadra.analytics.questions.matching import Parameters

UNKNOWN, DIRECT = "(unknown)", "(direct)"
LISTS: dict[str, Any] = orjson.loads((Path(__file__).parent / "channels.json").read_bytes())
CLICK_IDS: dict[str, str] = LISTS["click_ids"]
"""Parameter -> the kind of its network. `fbclid` is none: links that nobody paid for carry it too."""
PAID_MEDIUM = "medium IN ('cpc', 'ppc') OR medium LIKE 'paid%'"
EMAIL, DISPLAY = "'email', 'e-mail', 'newsletter'", "'display', 'banner', 'cpm'"


def _pattern(kind: str) -> str:
    """Of a whole source: a name as `utm_source` has it, an engine under any country's ending, a domain with its subdomains."""
    found = LISTS[kind]
    engines, names = found.get("engines", []), found["names"]
    ends = [_any([*names, *engines]), rf"(?:.*\.)?{_any(found['domains'])}"]
    if engines:
        ends.append(rf"(?:(?:www|m|images|cn|search)\.)?{_any(engines)}\.[a-z]{{2,3}}(?:\.[a-z]{{2}})?")
    return "|".join(ends)


def _any(texts: list[str]) -> str:
    return f"(?:{'|'.join(re.escape(text) for text in texts)})"


PATTERNS = {kind: _pattern(kind) for kind in ("ai", "search", "social", "video")}


def channel_of(params: Parameters) -> str:
    """Of a row with `source` (in small letters, empty where there is none), `host` (the referrer's, empty where it is the
    site's own), `medium` (in small letters), `click_id`.
    """

    def is_one(kind: str, text: str = "source") -> str:
        return f"regexp_full_match({text}, {params.add(PATTERNS[kind])})"

    bare = "click_id <> '' AND source = ''"
    networks = {
        kind: ", ".join(f"'{name}'" for name, of in CLICK_IDS.items() if of == kind) for kind in ("search", "social")
    }
    return f"""CASE
        WHEN click_id <> '' OR {PAID_MEDIUM} THEN CASE
            WHEN {is_one("search")} OR ({bare} AND click_id IN ({networks["search"]})) THEN 'Paid Search'
            WHEN {is_one("social")} OR ({bare} AND click_id IN ({networks["social"]})) THEN 'Paid Social'
            ELSE 'Paid Other' END
        WHEN medium IN ({EMAIL}) THEN 'Email'
        WHEN medium = 'affiliate' THEN 'Affiliates'
        WHEN medium IN ({DISPLAY}) THEN 'Display'
        WHEN {is_one("ai")} OR {is_one("ai", "host")} THEN 'AI Assistants'
        WHEN {is_one("search")} THEN 'Organic Search'
        WHEN {is_one("social")} THEN 'Organic Social'
        WHEN {is_one("video")} THEN 'Organic Video'
        WHEN source <> '' THEN 'Referral'
        ELSE 'Direct' END"""
