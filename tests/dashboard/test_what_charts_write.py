"""What charts write, asked of the scripts themselves in Chromium: they need a browser, but no server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

STATIC = Path(__file__).parents[2] / "quadra" / "dashboard" / "static"
SITE = "http://scripts.invalid"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """An empty page whose origin has the dashboard's scripts."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{SITE}/")
        if name:
            route.fulfill(body=(STATIC / name).read_bytes(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>Scripts</title>", content_type="text/html")

    with browser.new_context() as context:
        page = context.new_page()
        page.route(f"{SITE}/**", answer)
        page.goto(f"{SITE}/")
        yield page


def cut(page: Page, names: list[str], most: int) -> list[str]:
    found: list[str] = page.evaluate(
        "async ([names, most]) => names.map((await import('/board/labels.js')).distinct(names, most))", [names, most]
    )
    return found


@pytest.mark.parametrize(
    "names",
    [
        [f"POST /api/checkout/{end}" for end in ("", "confirm", "cart", "pay/by/card", "pay/by/invoice")],
        [f"{'x' * 50}{one}{'y' * 50}{two}" for one in "12" for two in "12"],
        ["🎉" * 20 + end for end in "abc"],
        ["short", "shorter", ""],
    ],
)
def test_names_that_begin_alike_are_cut_to_different_texts(page: Page, names: list[str]) -> None:
    shown = cut(page, names, 18)
    assert len(set(shown)) == len(names)
    assert max(len(one) for one in shown) <= 18


def test_names_that_fit_are_left_alone(page: Page) -> None:
    assert cut(page, ["GET /", "POST /api"], 18) == ["GET /", "POST /api"]


def luminance(written: str) -> float:
    found = written if written.startswith("rgb") else {"#000": "rgb(0, 0, 0)", "#fff": "rgb(255, 255, 255)"}[written]
    parts = [int(one) / 255 for one in re.findall(r"\d+", found)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("ground", "accent"),
    [
        ("rgb(246, 247, 249)", "rgb(59, 91, 219)"),
        ("rgb(15, 18, 22)", "rgb(138, 162, 255)"),
        ("rgb(0, 0, 0)", "rgb(255, 255, 255)"),
    ],
    ids=["light", "dark", "every grey"],
)
def test_a_number_in_a_heat_map_has_a_contrast_of_4_5_on_every_shade(page: Page, ground: str, accent: str) -> None:
    shades: list[tuple[str, str]] = page.evaluate(
        """async ([ground, accent]) => {
          const { mixed, readableOn } = await import('/board/theme.js');
          const shades = Array.from({ length: 256 }, (_, at) => mixed(ground, accent, at / 255));
          return shades.map((shade) => [shade, readableOn(shade)]);
        }""",
        [ground, accent],
    )
    assert len({shade for shade, _ in shades}) > 100
    for shade, ink in shades:
        low, high = sorted((luminance(shade), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, shade


@pytest.mark.parametrize(("value", "text"), [(0, ""), (0.3, "<1"), (0.6, "1"), (41.5, "42")])
def test_a_cell_of_a_heat_map_says_nothing_only_where_nothing_is(page: Page, value: float, text: str) -> None:
    written = page.evaluate(
        """async (value) => {
          const { heat } = await import('/retention/heat.js');
          const look = { rem: 14, bg: 'rgb(255, 255, 255)', accent: 'rgb(0, 0, 255)' };
          const cells = [{ row: 0, column: 0, value, says: '' }];
          const { series } = heat({ rows: ['a'], columns: ['0'], cells, what: String })(look, 900);
          return series[0].label.formatter({ data: series[0].data[0] });
        }""",
        value,
    )
    assert written == text


@pytest.mark.parametrize(
    ("script", "name", "value", "text"),
    [
        ("board/words.js", "number", 0.003, "< 0.01"),
        ("board/words.js", "percent", 0.04, "< 0.1 %"),
        ("board/words.js", "seconds", 0.02, "< 0.1 s"),
        ("shared/format.js", "duration", 0.3, "< 1 ms"),
    ],
)
def test_something_is_never_written_as_nothing(page: Page, script: str, name: str, value: float, text: str) -> None:
    asked = "async ([script, name, value]) => (await import(`/${script}`))[name](value)"
    assert page.evaluate(asked, [script, name, value]) == text


def test_every_step_of_a_journey_has_its_part_of_the_moves_that_are_drawn(page: Page) -> None:
    moves: list[dict[str, Any]] = [
        {"position": 1, "source": "/", "target": f"/{n}", "count": 1000 - n} for n in range(100)
    ]
    moves += [{"position": n, "source": "/0", "target": "/0", "count": 1} for n in range(2, 5)]
    drawn = page.evaluate("async (moves) => (await import('/journeys/sankey.js')).connected(moves, 60)", moves)
    assert {one["position"] for one in drawn} == {1, 2, 3, 4}
    assert len(drawn) <= 60


def test_the_rate_of_senders_that_send_now_and_then_is_steady(page: Page) -> None:
    """Two events a second, sent as 28 every 14 seconds; the rate is looked at in each of 60 seconds."""
    rates: list[float] = page.evaluate(
        """async () => {
          const { Arrivals } = await import('/shared/arrivals.js');
          const at = 1_000_000 * 1000;
          const series = Array.from({ length: 300 }, (_, ago) => [at / 1000 - ago, ago % 14 === 0 ? 28 : 0]);
          return Array.from({ length: 60 }, (_, later) => {
            const arrivals = new Arrivals();
            arrivals.replace(series, at - later * 1000);
            return arrivals.recentRate();
          });
        }"""
    )
    assert min(rates) > 1.5
    assert max(rates) < 2.5


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("lines", {"series": [{"name": "Events", "values": [1, 2, 3]}]}),
        ("bars", {"series": [{"name": "Events", "values": [1, 2, 3]}]}),
        ("banded", {"name": "Events", "values": [1, 2, 3], "low": [0, 0, 0], "high": [4, 4, 4]}),
    ],
)
def test_every_chart_over_time_marks_what_happened_in_its_periods(page: Page, kind: str, more: dict[str, Any]) -> None:
    marks = page.evaluate(
        """async ([kind, more]) => {
          const { along } = await import('/board/rows.js');
          const options = await import('/board/options.js');
          const at = (day, hour = '00') => `2026-03-0${day}T${hour}:00:00.000Z`;
          const annotations = [[1, '23', 'before'], [3, '05', 'one'], [3, '06', 'two'], [4, '12', 'three']]
            .map(([day, hour, text]) => ({ at: at(day, hour), text }));
          const board = { interval: 'day', timezone: 'UTC', range: {}, address: {}, happened: { answer: { annotations } } };
          const look = { rem: 14, ink: '#000', muted: '#888', warn: '#850', series: ['#00f'], accent: '#00f' };
          const { series } = options[kind]({ ...along(board, [at(2), at(3), at(4)]), ...more })(look, 900);
          return series.flatMap((one) => one.markLine?.data ?? []);
        }""",
        [kind, more],
    )
    assert marks == [{"xAxis": 1, "name": "one · two"}, {"xAxis": 2, "name": "three"}]


CHARTS = re.compile(r"\b(?:lines|bars|banded)\(\{(?!.*\bflat: true)(?P<given>.*)")
NOT_OVER_TIME = {
    "funnels/main.js": 1,  # steps
    "funnels/recorded.js": 1,  # stages
    "features/main.js": 1,  # features
    "performance/main.js": 1,  # hours of the day
    "retention/main.js": 1,  # periods since the first
    "satisfaction/main.js": 1,  # scores
    "sql/main.js": 1,  # whatever was asked
    "users/main.js": 1,  # how many days
}


def test_no_chart_over_time_goes_without_marks() -> None:
    """A new chart takes its axis from `along`, asks `marksOn`, or is named here."""
    without: dict[str, int] = {}
    for script in STATIC.glob("*/*.js"):
        name = script.relative_to(STATIC).as_posix()
        if name.startswith(("board/", "vendor/")):
            continue
        for chart in CHARTS.finditer(script.read_text()):
            if not re.search(r"\.\.\.along\(|marksOn\(|\.\.\.over\(|\.\.\.rest\b", chart["given"]):
                without[name] = without.get(name, 0) + 1
    assert without == NOT_OVER_TIME


@pytest.mark.parametrize("visits", [True, False])
def test_filters_offer_the_traits_of_people_and_on_visits_its_dimensions(page: Page, visits: bool) -> None:
    events = {"events": [{"properties": {"plan": "pro"}}]}
    page.route("**/api/analytics/user/events?*", lambda route: route.fulfill(json=events))
    page.route("**/api/analytics/user/traits?*", lambda route: route.fulfill(json={"traits": [{"name": "tier"}]}))
    offered: list[str] = page.evaluate(
        "async (visits) => (await import('/board/names.js')).properties({ project: 'p', bar: { visits } })", visits
    )
    assert {"browser", "plan", "person.tier"} <= set(offered)
    assert ("entry_page" in offered) is visits
