"""Every page in Chromium with its content security policy: nothing that it does is forbidden by it.

What a policy forbids is told by the browser as an event and in the console; both are looked at.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from quadra.dashboard.pages import PAGES, PIPELINE_TABS, SETTINGS
from tests.clients import eventually, make_project
from tests.dashboard.lens_sample import sample
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

LISTEN = """
window.forbidden = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.forbidden.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
});
"""
INSIDE = [
    *(f"/{page.slug}" for page in PAGES),
    *(f"/pipeline/{tab}" for tab in PIPELINE_TABS),
    *(f"/settings/{name}" for name in SETTINGS),
    "/nothing-is-here",
]
OUTSIDE = ["/login", "/set-password", "/status", "/api/docs", "/share/nothing"]


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
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
    with browser.new_context(viewport={"width": 1440, "height": 1800}) as context:
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
    """The page, and what its console says of policies while it is open."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "Policy" in message.text else None)
    answer = page.goto(url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "style-src 'self'" in policy
    page.wait_for_load_state("load")
    return page, said


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


@pytest.mark.parametrize("path", INSIDE)
def test_a_page_does_nothing_that_its_policy_forbids(
    path: str, inside: BrowserContext, quadra: QuadraProcess, project: str
) -> None:
    page, said = look(inside, f"{quadra.base_url}{path}?project={project}&id=user_1")
    expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)
    if page.locator(".chart[role=img]:visible").count():
        page.locator("canvas").first.wait_for()
    hover(page)
    found = forbidden(page, said)
    page.close()
    assert found == []


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_page_for_everybody_does_nothing_that_its_policy_forbids(
    path: str, browser: Browser, quadra: QuadraProcess
) -> None:
    with browser.new_context() as context:
        context.add_init_script(LISTEN)
        page, said = look(context, f"{quadra.base_url}{path}")
        if path == "/api/docs":  # one door open, with its parameters and its answers
            page.locator(".opblock-tag").first.click()
            page.locator(".opblock-summary-control").first.click()
            expect(page.locator(".opblock-body").first).to_be_visible()
        assert forbidden(page, said) == []


def test_the_browser_tells_this_test_what_is_forbidden(inside: BrowserContext, quadra: QuadraProcess) -> None:
    page, said = look(inside, f"{quadra.base_url}/status")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p><style>p {}</style>')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: '1' }))")
    eventually(lambda: len(forbidden(page, said)) >= 6, 20)  # each of the three as an event and in the console
    assert any(one.startswith("style-src-attr") for one in forbidden(page, said))
    assert any(one.startswith("style-src-elem") for one in forbidden(page, said))
    assert any(one.startswith("script-src-elem") for one in forbidden(page, said))
    page.close()
