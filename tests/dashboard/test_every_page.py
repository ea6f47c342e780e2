"""Every page in Chromium, once: its policy forbids nothing that it does, it is light and holds still while it loads, and
axe-core finds nothing in it, wide and on a phone, light and dark.

What a policy forbids is told by the browser as an event and in the console; both are looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from quadra.dashboard.pages import PAGES, PIPELINE_TABS, SETTINGS
from tests.clients import make_project, send
from tests.dashboard.lens_sample import sample
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

TOP = Path(__file__).parents[2]
AXE = TOP / "node_modules" / "axe-core" / "axe.min.js"
MOST_BYTES = 450_000
MOST_REQUESTS = 20
MOST_SHIFT = 0.02
WIDE: ViewportSize = {"width": 1440, "height": 900}
# What a page asks for comes after it was painted, as on a real line: every place is kept for what comes, or the page moves.
SLOW_LINE = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
PHONE: ViewportSize = {"width": 390, "height": 844}

LISTEN = """
window.forbidden = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.forbidden.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
});
window.shifts = [];
new PerformanceObserver((list) => list.getEntries().filter((one) => !one.hadRecentInput).forEach((one) => window.shifts.push({
  by: one.value, what: one.sources.map(({ node, previousRect: was, currentRect: is }) =>
    `${was.y}+${was.height} to ${is.y}+${is.height}: ${node?.nodeType === 1 ? node.outerHTML.slice(0, 90) : node?.nodeName}`),
}))).observe({ type: 'layout-shift', buffered: true });
"""
WEIGH = """() => {
  const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  return [loaded.length, loaded.reduce((sum, one) => sum + one.transferSize, 0)];
}"""
EVERYTHING = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Swagger UI is left out: what it is made of is not ours.
LOOK = """async () => {
  const { violations } = await axe.run({ include: [['html']], exclude: [['.swagger-ui']] }, {
    runOnly: { type: 'tag', values: TAGS }, rules: { 'label-content-name-mismatch': { enabled: true } },
    resultTypes: ['violations'],
  });
  const why = ({ any, all, none }) => [...any, ...all, ...none][0]?.message;
  return violations.map(({ id, nodes }) => `${id} of ${nodes.length}: ${nodes[0].html.slice(0, 200)} (${why(nodes[0])})`);
}""".replace("TAGS", json.dumps(EVERYTHING))
INSIDE = [
    *(f"/{page.slug}" for page in PAGES if page.slug not in ("pipeline", "settings")),  # one of their tabs
    *(f"/pipeline/{tab}" for tab in PIPELINE_TABS),
    *(f"/settings/{name}" for name in SETTINGS),
    "/nothing-is-here",
]
OUTSIDE = ["/login", "/set-password", "/status", "/api/docs", "/share/nothing"]


@pytest.fixture(scope="module")
def bundled() -> None:
    """What set-up does; at once where nothing was edited since."""
    subprocess.run([sys.executable, TOP / "scripts" / "fetch_frontend.py"], check=True, stdin=subprocess.DEVNULL)
    if not (TOP / "quadra" / "dashboard" / "built" / "manifest.json").exists():
        pytest.skip("esbuild does not run on this machine: pages load their files one by one")


@pytest.fixture(scope="module")
def quadra(keeper: Keeper, bundled: None) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper)) as process:
        yield process


@pytest.fixture(scope="module")
def project(quadra: QuadraProcess) -> str:
    """A project with events of every kind."""
    made = make_project(quadra, name="Policy")
    request = urllib.request.Request(
        f"{quadra.base_url}/api/events",
        json.dumps({"events": sample()}).encode(),
        {"Content-Type": "application/json", "X-Quadra-Key": made["write"]},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["refused"] == 0
    return made["slug"]


@pytest.fixture(scope="module")
def inside(browser: Browser, quadra: QuadraProcess) -> Iterator[BrowserContext]:
    with browser.new_context(viewport=WIDE) as context:
        context.add_init_script(LISTEN)
        page = context.new_page()
        page.goto(f"{quadra.base_url}/login")
        page.get_by_label("E-mail").fill(quadra.init["admin_email"])
        page.get_by_label("Password").fill(quadra.init["admin_password"])
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("nav[aria-label=Main]")).to_be_attached()
        page.close()
        yield context


def look(context: BrowserContext, url: str) -> tuple[Page, list[str]]:
    """The page, and what its console says of policies, and of parts of the chart library that are missing."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if "Policy" in one.text or "ECharts" in one.text else None)
    network = context.new_cdp_session(page)
    network.send("Network.enable")  # without it the next one does nothing, and what pages share weighs nothing
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})  # as for a first visit
    network.send("Network.emulateNetworkConditions", SLOW_LINE)
    answer = page.goto(url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "style-src 'self'" in policy
    settled(page)
    return page, said


def settled(page: Page) -> None:
    page.wait_for_load_state("load")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    if page.locator(".chart[role=img]:visible").count():
        page.locator("canvas").first.wait_for()


def forbidden(page: Page, said: list[str]) -> list[Any]:
    return [*page.evaluate("window.forbidden"), *said]


def hover(page: Page) -> None:
    """Over the charts that are in view: what a chart says of a point is made when somebody points at it."""
    charts = page.locator("canvas")
    for place in range(charts.count()):
        box = charts.nth(place).bounding_box()
        if box is not None and box["width"] > 40:
            page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.6)
            page.mouse.move(box["x"] + box["width"] * 0.52, box["y"] + box["height"] * 0.5)
    page.mouse.move(0, 0)
    expect(page.locator(".hover:visible")).to_have_count(0)


def heavy(page: Page) -> list[str]:
    """What is too much of it."""
    requests, size = page.evaluate(WEIGH)
    shifts = page.evaluate("window.shifts")
    found = [f"{requests} requests"] if requests >= MOST_REQUESTS else []
    found += [f"{size} bytes"] if size >= MOST_BYTES else []
    return found + ([f"it moved: {shifts}"] if sum(one["by"] for one in shifts) >= MOST_SHIFT else [])


def barriers(page: Page) -> list[str]:
    """What axe-core finds on a wide light screen, and on a phone in the dark."""
    page.evaluate(AXE.read_text())
    wide = page.evaluate(LOOK)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    return [*wide, *page.evaluate(LOOK)]


def wrong(page: Page, said: list[str]) -> dict[str, list[Any]]:
    """Everything that is wrong with a page that has just loaded."""
    found = {"too much": heavy(page)}
    hover(page)
    found["forbidden"] = forbidden(page, said)
    found["barriers"] = barriers(page)
    return {name: some for name, some in found.items() if some}


@pytest.mark.parametrize("path", INSIDE)
def test_a_page_is_light_holds_still_obeys_its_policy_and_is_open_to_everybody(
    path: str, inside: BrowserContext, quadra: QuadraProcess, project: str
) -> None:
    page, said = look(inside, f"{quadra.base_url}{path}?project={project}&id=user_1")
    found = wrong(page, said)
    page.close()
    assert not found, json.dumps(found, indent=1)


@pytest.mark.parametrize(
    "path", ["/overview", "/visits", "/retention", "/user", "/recovery", "/settings/alerts", "/settings/start"]
)
def test_a_page_without_data_holds_still_on_a_phone(path: str, inside: BrowserContext, quadra: QuadraProcess) -> None:
    page = inside.new_page()
    page.set_viewport_size(PHONE)
    page.goto(f"{quadra.base_url}{path}?project=default&user=nobody")
    settled(page)
    assert sum(one["by"] for one in page.evaluate("window.shifts")) < MOST_SHIFT, page.evaluate("window.shifts")
    page.close()


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_page_for_strangers_is_light_holds_still_obeys_its_policy_and_is_open_to_everybody(
    path: str, browser: Browser, quadra: QuadraProcess
) -> None:
    with browser.new_context(viewport=WIDE) as context:
        context.add_init_script(LISTEN)
        page, said = look(context, f"{quadra.base_url}{path}")
        if path == "/api/docs":  # one door open, with its parameters and its answers
            page.locator(".opblock-tag").first.click()
            page.locator(".opblock-summary-control").first.click()
            expect(page.locator(".opblock-body").first).to_be_visible()
        found = wrong(page, said)
    assert not found, json.dumps(found, indent=1)


def test_a_shared_page_is_light_holds_still_obeys_its_policy_and_is_open_to_everybody(
    browser: Browser, quadra: QuadraProcess, project: str
) -> None:
    asked = {"visits": {"lens": "visits", "params": {"days": 30, "interval": "day"}}}
    view = {"name": "Last month", "page": "visits", "params": {"days": "30"}, "questions": asked, "project": project}
    admin = f"Bearer {quadra.init['admin_key']}"
    made = send(quadra, "/api/saved-views", view, key=None, Authorization=admin)
    assert made.status == 201, made.body
    shared = send(quadra, f"/api/saved-views/{made.json['id']}/share", key=None, Authorization=admin)
    with browser.new_context(viewport=WIDE) as context:
        context.add_init_script(LISTEN)
        page, said = look(context, f"{quadra.base_url}/share/{shared.json['token']}")
        found = wrong(page, said)
    assert not found, json.dumps(found, indent=1)


def test_the_description_of_the_api_keeps_the_menu_for_those_who_are_logged_in(
    inside: BrowserContext, quadra: QuadraProcess, project: str
) -> None:
    page, said = look(inside, f"{quadra.base_url}/api/docs?project={project}")
    expect(page.get_by_role("navigation", name="Main")).to_be_attached()
    expect(page.locator(".opblock-tag").first).to_be_visible()
    found = wrong(page, said)
    page.close()
    assert not found, json.dumps(found, indent=1)


def test_on_a_phone_the_data_comes_before_the_options(
    inside: BrowserContext, quadra: QuadraProcess, project: str
) -> None:
    page, _ = look(inside, f"{quadra.base_url}/events?project={project}")
    page.set_viewport_size(PHONE)
    choices = (page.get_by_label("Compare"), page.get_by_label("Split by"))
    for one in choices:
        expect(one).to_be_hidden()
    box = page.locator(".panel:visible").first.bounding_box()
    assert box is not None
    assert box["y"] < PHONE["height"] / 3
    page.get_by_role("button", name="Options", exact=True).click()
    for one in choices:
        expect(one).to_be_visible()
    page.close()


def test_the_browser_tells_this_test_what_is_forbidden(inside: BrowserContext, quadra: QuadraProcess) -> None:
    page, said = look(inside, f"{quadra.base_url}/status")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p><style>p {}</style>')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: '1' }))")
    eventually(lambda: len(forbidden(page, said)) >= 6)  # each of the three as an event and in the console
    assert any(one.startswith("style-src-attr") for one in forbidden(page, said))
    assert any(one.startswith("style-src-elem") for one in forbidden(page, said))
    assert any(one.startswith("script-src-elem") for one in forbidden(page, said))
    page.close()
