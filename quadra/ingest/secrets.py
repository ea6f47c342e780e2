"""What errors and requests must not keep: headers, bodies, tokens and passwords that came along with them.

Whoever catches an error sends what was at hand. Values under such names are taken out, and what looks like one inside a
text is covered, before the event is stored; that something was there is still to be seen.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

KINDS = frozenset({"error", "request"})
REMOVED = "[removed]"

SUSPICIOUS = re.compile(rb"(?i)pass|secret|token|key|auth|bearer|basic|cookie|header|body|credential")
"""An event without any of these holds none; this is all that most events are looked at for."""
NAMES = frozenset({"auth", "body", "cookie", "cookies", "credentials", "header", "headers", "pwd", "setcookie"})
NAME_ENDS = (
    *("password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "authorization"),
    *("headers", "cookies", "requestbody", "responsebody", "rawbody"),
)

SCHEMES = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}")
PAIRS = re.compile(
    # nothing before the name: a name of any length in front of it made the search quadratic
    r"(?i)(password|passwd|secret|token|api[_-]?key|authorization|cookie)"
    r"(\\?[\"']?\s*[:=]\s*\\?[\"']?)([^\s\"'&,;\\]{4,})"
)


def covered(text: str) -> str:
    """The text with what follows the name of a secret, or a scheme of authorization, covered."""
    text = SCHEMES.sub(rf"\1 {REMOVED}", text)
    return PAIRS.sub(rf"\1\2{REMOVED}", text)


def cleaned(raw: msgspec.Raw | None) -> msgspec.Raw | None:
    """A JSON object without them; the same one where there are none."""
    if raw is None or SUSPICIOUS.search(bytes(raw)) is None:
        return raw
    return msgspec.Raw(msgspec.json.encode(_without(msgspec.json.decode(raw))))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: REMOVED if _is_secret(name) else _without(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner) for inner in value]
    return covered(value) if isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in NAMES or plain.endswith(NAME_ENDS)
