"""What a user agent says: device, browser, operating system, and whether it is a bot."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import ua_parser

BOT = re.compile(
    r"bot\b|bot[/;_-]|crawl|spider|slurp|headless|lighthouse|preview|monitor|scan|fetch|facebookexternalhit|archiver|"
    r"validator|phantomjs|https?:/|\w@\w|"  # programs say where to complain about them, browsers never do
    r"^(curl|wget|python|go-http|java|libwww|okhttp|axios|node|ruby|php|perl|feed|rss|ufo|http)",
    re.IGNORECASE,
)
TABLET = re.compile(r"ipad|tablet|kindle|silk|playbook|android(?!.*mobile)", re.IGNORECASE)
MOBILE = re.compile(r"mobi|iphone|ipod|android|phone|blackberry|opera mini", re.IGNORECASE)
MAX_LENGTH = 1_000
MAX_NAME = 64
"""What the columns hold. A crawler may call itself anything, also something longer."""


class Agent(NamedTuple):
    device_type: str | None
    """`desktop`, `mobile`, `tablet`, `bot`; None where nothing is known."""
    browser: str | None
    os: str | None
    bot: bool


UNKNOWN = Agent(None, None, None, False)


@lru_cache(maxsize=4096)
def browser_of(user_agent: str) -> Agent:
    """Parse a user agent. Parsing costs milliseconds and the same few hundred come again, hence the cache."""
    text = user_agent[:MAX_LENGTH]
    if not text or text == "-":
        return UNKNOWN
    found = ua_parser.parse(text)
    device = found.device.family if found.device else ""
    bot = device == "Spider" or BOT.search(text) is not None
    return Agent(
        device_type=_device_type(text, bot),
        browser=found.user_agent.family[:MAX_NAME] if found.user_agent else None,
        os=found.os.family[:MAX_NAME] if found.os else None,
        bot=bot,
    )


def _device_type(text: str, bot: bool) -> str:
    if bot:
        return "bot"
    if TABLET.search(text):
        return "tablet"
    return "mobile" if MOBILE.search(text) else "desktop"
