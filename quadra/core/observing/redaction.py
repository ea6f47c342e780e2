"""Take out of a log line what must not stand in one: secrets, and characters that would forge a line or a terminal's colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import make_url

from quadra.core.settings import Settings

HIDDEN = "***"
SECRET_NAMES = re.compile(
    r"pass(word|wd)?$|secret|token$|^authorization$|cookie|api_?key$|^write_?key$|private_?key", re.IGNORECASE
)
"""Fields whose whole value is a secret."""
KEYS = re.compile(r"(qk_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+")
"""Quadra's keys; the audit log names them by the same first letters."""
PATTERNS = (
    (KEYS, rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(://[^/\s:@]*):[^@\s/]+@"), rf"\1:{HIDDEN}@"),
    # ?key=…, as trackers send it and links carry it
    (re.compile(r"(?i)([?&](?:key|token|sig|signature|auth|access_token)=)[^\s&#\"']+"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"""(?i)((?:password|passwd|passphrase|pwd|secret|api[_-]?key|authorization|cookie|_token)["']?\s*[:=]\s*)"""
            r"""(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s"',;&}]+)"""
        ),
        rf"\1{HIDDEN}",
    ),
)
MARKS = (
    "qk_",
    "earer",
    "asic",
    "://",
    "ass",
    "ecret",
    "ey",
    "uthorization",
    "ookie",
    "oken",
    "pwd",
    "sig",
    "auth",
    "BEARER",
    "BASIC",
    "PASS",
    "SECRET",
    "KEY",
    "TOKEN",
    "PWD",
    "AUTH",
    "COOKIE",
)
"""A text without any of these matches no pattern, and most have none."""
SHORTEST = 6
CONTROL = (
    {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))}
    | {
        ord("\n"): "\\n",
        ord("\r"): "\\r",
        ord("\t"): " ",
        0x2028: "\\u2028",
        0x2029: "\\u2029",
    }
    | {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
)
"""Line ends, escapes, and what turns the direction of writing."""
MOST_CHARACTERS = 16_000


class Redaction:
    """For the secrets that this process knows, and for what looks like one."""

    def __init__(self, secrets: Iterable[str] = ()):
        self._secrets = sorted({word for word in secrets if len(word) >= SHORTEST}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """On one line, without secrets."""
        return self.lines(text).translate(CONTROL)

    def lines(self, text: str) -> str:
        """Without secrets; its lines stay lines."""
        if len(text) > MOST_CHARACTERS:
            text = f"{text[:MOST_CHARACTERS]}… ({len(text) - MOST_CHARACTERS} more characters)"
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        if any(mark in text for mark in MARKS):
            for pattern, instead in PATTERNS:
                text = pattern.sub(instead, text)
        return text

    def value(self, name: str, value: Any) -> Any:
        """A field's value, whatever it is; what is no plain number or text becomes a text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if SECRET_NAMES.search(name):
            return HIDDEN
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(str(key), found) for key, found in list(value.items())[:50]}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(name, found) for found in list(value)[:50]]
        return self.text(str(value))


def secrets_of(settings: Settings) -> list[str]:
    """The values that must never be logged, as they stand in the settings."""
    urls = [settings.database_url, settings.redis_url]
    passwords = [str(password) for url in urls if url and (password := make_url(url).password)]
    named = [value for name, value in settings if isinstance(value, str) and SECRET_NAMES.search(name)]
    return [*passwords, *named]
