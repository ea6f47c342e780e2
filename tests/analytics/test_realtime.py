"""What happens right now, by minutes."""

from __future__ import annotations

from quadra.analytics.lenses import realtime
from quadra.core import clock
from tests.analytics.conftest import Place
from tests.analytics.reference import Event

MINUTE = 60_000_000


def test_the_last_1_5_and_30_minutes_are_counted(place: Place) -> None:
    now = clock.now_us()

    def page(who: str | None, minutes_ago: float, url: str = "/", **more: object) -> Event:
        fields = {"page_url": url, **more}
        return Event(who, now - int(minutes_ago * MINUTE), "page_view", kind="page", bot=who == "bot", fields=fields)

    told = [
        page("u1", 0.1, session_id="s1"),
        page("u1", 0.2, "https://shop.example/a/?fbclid=1", session_id="s1"),
        page("u2", 3),
        page("u3", 20),
        page("bot", 3),
        page("u4", 31),
        Event(None, now - 10 * MINUTE, "error", kind="error", fields={"error_type": "E", "message": "m"}),
        Event("u5", now + 10 * MINUTE, "later"),
    ]
    found = place.ask(realtime, place.tell(told))
    shown = ("events", "users", "sessions", "errors", "by_type", "by_page")
    assert [[found[f"last_{name}"][what] for what in shown] for name in ("1_minute", "5_minutes", "30_minutes")] == [
        [2, 1, 1, 0, {"page_view": 2}, {"/": 1, "/a": 1}],
        [4, 2, 2, 0, {"page_view": 4}, {"/": 2, "/a": 1}],
        [6, 3, 3, 1, {"page_view": 5, "error": 1}, {"/": 3, "/a": 1}],
    ]
    assert found["last_30_minutes"]["events_per_second"] == 6 / 1800
