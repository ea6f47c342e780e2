"""Random histories: a few people with several ids each, few names, times that like to meet at midnights and clock changes."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.analytics.reference import Event, People, us_of

HOUR = 3_600_000_000
ZONES = {
    "UTC": "2026-03-05",
    "America/New_York": "2026-03-08 05:00",  # a day of 23 hours begins
    "Asia/Tehran": "2022-03-21 20:30",  # midnight does not happen
}
"""zone -> an instant at which something may go wrong"""
BACK = {"America/New_York": "2025-11-02 04:00", "Asia/Tehran": "2022-09-20 19:30", "UTC": "2026-02-28"}
PEOPLE: People = {"u1": "u1", "a1": "u1", "b1": "u1", "u2": "u2", "a2": "u2", "u3": "u3", "u4": "u4"}
LINKS = (("u1", "a1"), ("u1", "b1"), ("u2", "a2"))


@dataclass(frozen=True)
class History:
    zone: str
    middle: int
    """The instant around which it happens."""
    events: tuple[Event, ...]
    people: People

    @property
    def start(self) -> int:
        return self.middle - 4 * 24 * HOUR

    @property
    def end(self) -> int:
        return self.middle + 4 * 24 * HOUR


@st.composite
def histories(draw: st.DrawFn, days: int = 9, most: int = 40, names: str = "abc", step: int = HOUR // 2) -> History:
    zone = draw(st.sampled_from(sorted(ZONES)))
    middle = us_of(draw(st.sampled_from([ZONES[zone], BACK[zone]])))
    reach = days * 24 * HOUR // step
    when = st.one_of(st.integers(-reach, reach), st.integers(-4, 4), st.integers(-reach // 8, reach // 8))
    event = st.builds(
        lambda who, at, name, plan, n: Event(
            who,
            middle + at * step,
            name,
            ({"plan": plan} if plan else {}) | ({"n": n} if n is not None else {}),
        ),
        st.sampled_from([*PEOPLE, "u1", "u2"]),
        when,
        st.sampled_from(names),
        st.sampled_from(["", "x", "y"]),
        st.one_of(st.none(), st.integers(-3, 9)),
    )
    events = draw(st.lists(event, max_size=most))
    links = [Event(who, middle - 400 * 24 * HOUR, "linked", anonymous_id=other) for who, other in LINKS]
    return History(zone, middle, (*links, *events), PEOPLE)
