"""Who is a bot: real browsers and real bots of public lists, phones that are called like bots, probes that are not."""

from __future__ import annotations

from pathlib import Path

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from quadra.ingest.agents import browser_of

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
