"""Take out of text what names a person or opens a door: e-mail and network addresses, tokens, long numbers.

Used on everything that an insight keeps, and on everything that leaves for an LLM.
"""

from __future__ import annotations

import hashlib
import hmac
import re

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("[email]", re.compile(r"[^\s@<>\"'(),;:/?&=]{1,64}(?:@|%40)[\w.-]{1,250}\.\w{2,24}")),
    (
        "[key]",
        re.compile(r"\b(?:qk|sk|pk|ghp|xox[abp])[_-][\w-]{8,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\bBearer\s+\S{8,}"),
    ),
    ("[ip]", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")),
    ("[ip]", re.compile(r"(?<![\w:])(?=[a-fA-F:]*\d)(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?![\w:])")),
    ("[number]", re.compile(r"(?<!\w)\+?\d(?:[ ()-]{0,2}\d){8,}(?!\w)")),
)


def scrub(text: str) -> str:
    """`text` without addresses, keys and long numbers."""
    for name, pattern in PATTERNS:
        text = pattern.sub(name, text)
    return text


def pseudonym(user_id: str, secret: str) -> str:
    """The same short name for the same user, which nobody without `secret` can compute or turn back."""
    return "user-" + hmac.new(secret.encode(), user_id.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:10]
