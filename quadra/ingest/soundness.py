"""Whether values can be stored and read again: no NUL, no half characters, no NaN, nothing too deep or too large.

It runs for every event. What it looks for nearly never is there, so each look begins with one that is quick.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from quadra.ingest.kinds import MAX_JSON_BYTES

Fields = dict[str, str]
"""What is wrong, by field."""

MAX_DEPTH = 8
MAX_NODES = MAX_JSON_BYTES
"""Values within one event that are looked at: `[[],[],…]` holds many in few bytes."""
# begins with a digit, so that the search goes from one to the next; a run of them is counted from its start alone
_HUGE_NUMBER = re.compile(rb"\d(?:[eE]\+?\d{3}|(?<!\d\d)\d{199})")
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_BAD_TEXT = re.compile("[\0\ud800-\udfff]")
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
TOO_LARGE_A_NUMBER = "holds a number that is out of range"
NO_NUMBER = "holds NaN or Infinity, which are not JSON"
TOO_MANY = f"holds more than {MAX_NODES} values"
_PLAIN = msgspec.json.Decoder()
_encode = msgspec.json.encode


def raw_of(value: Any) -> msgspec.Raw | None:
    """An object as JSON; None where it takes a closer look. Raises what `from_known` catches."""
    raw = _encode(value)
    if type(value) is not dict or b"\\u0000" in raw:
        return None
    if b"null" in raw and _PLAIN.decode(raw) != value:  # it was NaN
        return None
    return msgspec.Raw(raw)


def are_sound(values: Iterable[Any]) -> bool:
    """Whether the texts among them can be stored. Nearly all are ASCII, which is seen at once."""
    text = "".join([value for value in values if type(value) is str])
    return "\0" not in text if text.isascii() else _BAD_TEXT.search(text) is None


def check_json(raw: msgspec.Raw, field: str) -> Fields:
    """What is wrong with a properties object: not an object, too large, too deep. Empty when it is fine."""
    text = bytes(raw)
    if text[:1] != b"{" and not (field == "tags" and text[:1] == b"["):
        return {field: "must be an object"}
    if len(text) > MAX_JSON_BYTES:
        return {field: f"larger than {MAX_JSON_BYTES} bytes"}
    # as many brackets as levels at the most: the exact depth is counted only where the count alone does not settle it
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH and not holds_huge_number(text):
        return {}
    try:
        problem = invalid_reason(_PLAIN.decode(text), MAX_DEPTH)
    except RecursionError:
        problem = TOO_DEEP
    except msgspec.DecodeError:
        problem = TOO_LARGE_A_NUMBER
    return {} if problem is None else {field: problem}


def holds_huge_number(text: bytes) -> bool:
    """The pattern alone looks at each digit, and takes ten times as long as seeing that it cannot fit."""
    plain = text.translate(_DIGITS, b"+")
    may = b"0e000" in plain or (len(plain) >= 200 and b"0" * 200 in plain)
    return may and _HUGE_NUMBER.search(text) is not None


def invalid_reason(value: Any, levels: int) -> str | None:
    """Why a decoded value cannot be stored or read. Walks it without recursion: it may be deeper than the stack."""
    todo, left = [(value, 0)], MAX_NODES
    while todo:
        item, level = todo.pop()
        if isinstance(item, str):
            if _BAD_TEXT.search(item):
                return "contains a NUL character or half a surrogate pair"
        elif isinstance(item, dict | list):
            if level == levels:
                return TOO_DEEP
            left -= len(item)
            if left < 0:
                return TOO_MANY
            todo.extend((child, level + 1) for child in item)
            if isinstance(item, dict):
                todo.extend((child, level + 1) for child in item.values())
        elif isinstance(item, int | float) and not abs(item) <= sys.float_info.max:
            return NO_NUMBER if item != item else TOO_LARGE_A_NUMBER
    return None
