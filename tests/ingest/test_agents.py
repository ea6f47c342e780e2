"""Who is a bot: real browsers and real bots of public lists, phones that are called like bots, probes that are not."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import ua_parser
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from quadra.ingest.agents import BOT, LISTED, MAX_LENGTH, NO_BOT, _is_bot, browser_of

SAMPLES = Path(__file__).parent / "samples" / "agents"


def sample(name: str) -> list[str]:
    lines = (SAMPLES / name).read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_no_real_browser_is_a_bot() -> None:
    found = sample("browsers.txt")
    assert len(found) > 200
    assert [agent for agent in found if browser_of(agent).bot] == []


def test_real_bots_probes_and_monitors_are_bots() -> None:
    found = sample("bots.txt")
    assert len(found) > 200
    assert [agent for agent in found if not browser_of(agent).bot] == []
    assert {browser_of(agent).device_type for agent in found} == {"bot"}


def test_every_pattern_of_the_kept_list_is_in_force() -> None:
    """A part of the list is left out, since our own words find those; each pattern's first example says whether they do."""
    examples = [one["instances"][0] for one in CRAWLER_USER_AGENTS_DATA if one["instances"]]
    assert len(examples) > 1_000
    assert [agent for agent in examples[::5] if not browser_of(agent).bot] == []


def test_the_list_finds_what_its_patterns_find_one_by_one() -> None:
    """It is one pattern made of all, put together by first letters."""
    agents = [
        *(one["instances"][0] for one in CRAWLER_USER_AGENTS_DATA[::9] if one["instances"]),
        *sample("browsers.txt"),
    ]
    patterns = [
        re.compile(one["pattern"]) for one in CRAWLER_USER_AGENTS_DATA if not BOT.search(one["pattern"].lower())
    ]
    for agent in agents:
        assert bool(LISTED.search(agent)) is any(pattern.search(agent) for pattern in patterns), agent


def test_a_spider_is_what_the_whole_list_of_devices_says() -> None:
    """Devices that are none are not loaded: only who is taken for a spider without them is looked for among all."""
    agents = [
        *(agent for one in CRAWLER_USER_AGENTS_DATA[::7] for agent in one["instances"][:1]),
        *sample("browsers.txt")[::3],
        "Nokia6230/2.0 (04.44) Profile/MIDP-2.0 yahoo",  # a phone before it is a spider
    ]
    for agent in agents:
        whole = ua_parser.parse(agent)
        spider = whole.device is not None and whole.device.family == "Spider"
        assert browser_of(agent).bot is (spider or _is_bot(NO_BOT.sub("", agent))), agent


def test_only_the_beginning_of_a_text_is_looked_at() -> None:
    assert browser_of("a" * (MAX_LENGTH - 10) + " Googlebot").bot
    assert not browser_of("a" * MAX_LENGTH + " Googlebot").bot


@pytest.mark.parametrize("part", ["a", "; ", "Android ", "Mozilla/5.0 (", "a@", "up; Build/", "SAMSUNG SM-"])
def test_no_text_takes_long(part: str) -> None:
    """It runs on the event loop. Processor time, the best of five and three times what is promised: no busy machine breaks it."""
    spent = []
    for number in range(5):
        before = time.thread_time()
        browser_of(f"{number}{part * 500}")
        spent.append(time.thread_time() - before)
    assert min(spent) < 0.003
