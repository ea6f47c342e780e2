"""What a user agent says: device, browser, operating system, and whether it is a bot."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

import ua_parser
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from ua_parser.core import Device, Matcher
from ua_parser.lazy import DeviceMatcher
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

# BOT, TOOL, PROBE, TABLET and MOBILE are for text in small letters: regardless of case they take four times as long
BOT = re.compile(
    r"bots?\b|bot[/;_-]|crawl|spider|slurp|headless|lighthouse|preview|monitor|scan|fetch|facebookexternalhit|archiver|"
    r"validator|phantomjs|checker|scraper|grabber|extract|indexer|transcoder|proxy/|rss reader|google-(?!chrome)\w|"
    r"page speed|search console|"
    r"https?:/|[\w.+-]@[\w-]+\.[a-z]{2}",  # programs say where to complain about them, browsers never do
)
"""What programs call themselves, also those that no list knows yet."""
TOOL = re.compile(r"(curl|wget|python|go-http|java|libwww|okhttp|axios|node|ruby|php|perl|feed|rss|ufo|http)")
"""How user agents of libraries begin."""
PROBE = re.compile(
    r"kube-probe|health[-_ ]?check|googlehc|load[-_ ]?balancer|uptime|pingdom|statuscake|site24x7|datadog|newrelic|synthetic|"
    r"zabbix|nagios|check_http|icinga|prometheus|blackbox|gatus|checkly|freshping|hetrix|catchpoint|nodeping|updown\.io|"
    r"oh ?dear|alertsite|haproxy|envoy/hc|munin|collectd|apachebench|probe\b|verif|^varnish|^monit\b|better ?stack"
)
"""Health probes and monitors: most of them are in no list of crawlers."""
NO_BOT = re.compile(r"cubot|viewsonic|sogou ?(mse|mobilebrowser|search android)", re.IGNORECASE)
"""Phones and browsers whose names hold what bots are known by."""


def _by_first_letter(patterns: list[str]) -> str:
    """One pattern for all: 700 alternatives at each character take ten times as long as the few that begin with it."""
    letters: dict[str, list[str]] = {}
    others = []
    for pattern in patterns:
        if PLAIN_START.match(pattern) and "|" not in pattern:
            letters.setdefault(pattern[0], []).append(f"(?:{pattern[1:]})")
        else:
            others.append(f"(?:{pattern})")
    return "|".join([*(f"{letter}(?:{'|'.join(rest)})" for letter, rest in letters.items()), *others])


PLAIN_START = re.compile(r"[A-Za-z0-9](?![?*+{])")
LISTED = re.compile(
    _by_first_letter([one["pattern"] for one in CRAWLER_USER_AGENTS_DATA if not BOT.search(one["pattern"].lower())])
)
"""The kept list crawler-user-agents, less what `BOT` finds anyway."""
TABLET = re.compile(r"ipad|tablet|kindle|silk|playbook|android(?!.*mobile)")
MOBILE = re.compile(r"mobi|iphone|ipod|android|phone|blackberry|opera mini")
SPIDER = "Spider"
MAX_LENGTH = 512
"""The most that is examined, on the event loop: a sender with another text each time never hits the cache."""
MAX_NAME = 64
"""What the columns hold. A crawler may call itself anything, also something longer."""


class Agent(NamedTuple):
    device_type: str | None
    """`desktop`, `mobile`, `tablet`, `bot`; None where nothing is known."""
    browser: str | None
    os: str | None
    bot: bool
    country: str | None = None
    region: str | None = None
    """Where it is; a user agent alone does not say it."""


UNKNOWN = Agent(None, None, None, False)


@lru_cache(maxsize=4096)
def browser_of(user_agent: str) -> Agent:
    """Parse a user agent. The same few hundred come again, hence the cache; one that is new takes less than a millisecond."""
    text = user_agent[:MAX_LENGTH]
    if not text or text == "-":
        return UNKNOWN
    agent = _parser().parse(text)
    # what `_parser` takes for a spider may be a device that it does not know
    bot = _is_bot(NO_BOT.sub("", text)) or (_is_spider(agent) and _is_spider(ua_parser.parse(text)))
    return Agent(
        device_type=_device_type(text.lower(), bot),
        browser=agent.user_agent.family[:MAX_NAME] if agent.user_agent else None,
        os=agent.os.family[:MAX_NAME] if agent.os else None,
        bot=bot,
    )


@cache
def _parser() -> ua_parser.Parser:
    """Of its 633 devices only the spiders: nothing else is asked about devices, and the others are 14 MB."""
    browsers, systems, devices = load_lazy_builtins()
    spiders: list[Matcher[Device]] = [one for one in devices if isinstance(one, DeviceMatcher) and one.family == SPIDER]
    return ua_parser.Parser(Resolver((browsers, systems, spiders)))


def _is_spider(agent: ua_parser.Result) -> bool:
    return agent.device is not None and agent.device.family == SPIDER


def _is_bot(text: str) -> bool:
    small = text.lower()
    return bool(TOOL.match(small) or BOT.search(small) or PROBE.search(small) or LISTED.search(text))


def _device_type(small: str, bot: bool) -> str:
    if bot:
        return "bot"
    if TABLET.search(small):
        return "tablet"
    return "mobile" if MOBILE.search(small) else "desktop"
