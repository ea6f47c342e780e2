"""Ids that name no person: what programs send where they have no id. They never join people, else one call with `undefined`
makes one person of everybody. The list follows what PostHog and Segment document.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

PLACEHOLDERS = frozenset(
    {
        *("", "undefined", "null", "nil", "none", "nan", "[object object]", "{}", "[]", "()"),
        *("(null)", "<null>", "(none)", "n/a", "true", "false", "-1", "0.0"),
        *("anonymous", "anon", "guest", "unknown", "not_authenticated", "unauthenticated", "not_set", "(not set)"),
        *("test", "user", "username"),
        *("id", "email", "distinct_id", "distinctid", "user_id", "userid", "anonymous_id", "anonymousid"),
    }
)
"""In lower case, without blanks and quotes around."""
QUOTES = "\"'`\u201c\u201d\u2018\u2019 \t\r\n"
NOTHING = re.compile(r"[0-]*")
"""Zeros and dashes alone, such as a UUID of zeros."""

ALIASES = ("alias", "$create_alias", "$merge_dangerously")
"""The event types that say that two ids are one person."""
OLD_IDS = ("previousId", "previous_id", "alias")
"""The property that names the other id, whichever is there first."""

_SAY = "{!r} is a placeholder, not a person's id: it joins no people"
_decode = msgspec.json.Decoder().decode


def is_placeholder(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    bare = value.strip().strip(QUOTES).lower()
    return bare in PLACEHOLDERS or NOTHING.fullmatch(bare) is not None


def wrong_ids(wire: Any) -> dict[str, str]:
    """What is wrong with the ids of an event whose purpose is to join them."""
    ids = {name: getattr(wire, name) for name in ("user_id", "anonymous_id")}
    return {name: _SAY.format(value[:40]) for name, value in ids.items() if value and is_placeholder(value)}


def wrong_alias(wire: Any) -> dict[str, str]:
    """The same for an event that may be an alias."""
    if wire.event_type not in ALIASES:
        return {}
    wrong = wrong_ids(wire)
    try:
        properties = _decode(wire.properties) if wire.properties is not None else {}
    except (msgspec.DecodeError, RecursionError):
        return wrong  # a later step says what is wrong with them
    for name in OLD_IDS:
        if isinstance(properties, dict) and is_placeholder(value := properties.get(name)):
            wrong[name] = _SAY.format(str(value)[:40])
    return wrong
