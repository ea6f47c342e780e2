"""The pages and the tracker as people meet them: a real Quadra, a real browser, real events."""

from __future__ import annotations

import gzip
import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.clients import make_project
from tests.dashboard.looks import fits
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess


@dataclass(frozen=True)
class Project:
    base_url: str
    slug: str
    write_key: str

    @property
    def live(self) -> str:
        return f"{self.base_url}/live?project={self.slug}"

    def send(self, *events: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.base_url}/api/events",
            json.dumps({"events": events}).encode(),
            {"Content-Type": "application/json", "X-Quadra-Key": self.write_key},
        )
        with urllib.request.urlopen(request, timeout=90) as answer:
            stored: dict[str, Any] = json.load(answer)
        assert stored["stored"] == len(events), stored
        return stored


def event(event_type: str = "tested", **more: Any) -> dict[str, Any]:
    return {"eventType": event_type, "userId": "user_1", **more}


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper)) as process:
        yield process


@pytest.fixture
def project(quadra: QuadraProcess) -> Project:
    """A project without a single event."""
    made = make_project(quadra)
    return Project(quadra.base_url, made["slug"], made["write"])


@pytest.fixture(scope="module")
def cookies(browser: Browser, quadra: QuadraProcess) -> Any:
    """Logged in once for the module: logging in is limited per minute, and slow on purpose."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{quadra.base_url}/live")
        log_in(page, quadra)
        return context.storage_state()


def log_in(page: Page, quadra: QuadraProcess, password: str | None = None) -> None:
    page.get_by_label("E-mail").fill(quadra.init["admin_email"])
    page.get_by_label("Password").fill(password or quadra.init["admin_password"])
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def open_context(browser: Browser, cookies: Any) -> Iterator[Callable[..., BrowserContext]]:
    contexts = []

    def new(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(storage_state=cookies, **options))
        return contexts[-1]

    yield new
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    return open_context().new_page()


def rows(page: Page) -> Any:
    return page.locator("#feed li:not(.loading)")


def test_a_stranger_is_asked_to_log_in_and_then_sees_the_overview(browser: Browser, quadra: QuadraProcess) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{quadra.base_url}/")
        expect(page).to_have_url(re.compile("/login"))
        log_in(page, quadra)
        expect(page).to_have_url(re.compile("/overview"))
        expect(page.locator("#connection")).to_contain_text("live")


def test_a_wrong_password_is_told_beside_the_form(browser: Browser, quadra: QuadraProcess) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{quadra.base_url}/login")
        log_in(page, quadra, "not the password")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("E-mail")).to_have_value(quadra.init["admin_email"])


def test_the_first_event_replaces_the_instructions_by_itself(page: Page, project: Project) -> None:
    page.goto(project.live)
    expect(page.locator("#start")).to_be_visible()
    expect(page.locator("#snippet-page")).to_contain_text(f'src="{project.base_url}/q.js"')
    project.send(event("first_step"))
    expect(page.locator("#start")).to_be_hidden()
    expect(rows(page).first).to_contain_text("first_step")
    expect(page.locator("#today")).to_have_text("1")


def test_an_event_soon_reaches_the_open_page(page: Page, project: Project) -> None:
    project.send(event("before"))
    page.goto(project.live)
    expect(page.locator("#connection")).to_contain_text("live")
    for number in range(5):
        started = time.monotonic()
        project.send(event(f"quick_{number}"))
        page.wait_for_function(
            "name => document.querySelector('#feed li')?.textContent.includes(name)", arg=f"quick_{number}"
        )
        assert time.monotonic() - started < 10  # within a second, where the machine is not busy


def test_the_numbers_are_those_of_the_server(page: Page, project: Project) -> None:
    project.send(*[event("search", userId=f"user_{number % 7}") for number in range(60)])
    page.goto(project.live)
    expect(page.locator("#today")).to_have_text("60")
    project.send(*[event("buy", userId="user_1") for _ in range(1190)])
    expect(page.locator("#today")).to_have_text("1,250")
    expect(page.locator("#active")).to_have_text("7")
    types = page.locator("#types tbody tr")
    expect(types).to_have_count(2)
    expect(types.nth(0)).to_contain_text("buy")
    expect(types.nth(0)).to_contain_text("1,190")
    expect(rows(page)).to_have_count(50)
    page.reload()
    expect(page.locator("#today")).to_have_text("1,250")


def test_the_list_waits_while_it_is_pointed_at(page: Page, project: Project) -> None:
    project.send(*[event(f"old_{number}") for number in range(3)])
    page.goto(project.live)
    expect(page.locator("#connection")).to_contain_text("live")
    rows(page).nth(1).hover()
    project.send(event("new_1"), event("new_2"))
    expect(page.get_by_role("button", name="2 new")).to_be_visible()
    expect(rows(page)).to_have_count(3)
    page.mouse.move(1, 1)
    expect(rows(page)).to_have_count(5)
    expect(page.locator("#feed-new")).to_be_hidden()


def test_an_event_opens_with_the_keyboard_and_shows_all_of_itself(page: Page, project: Project) -> None:
    project.send(event("opened", properties={"plan": "pro <b>"}), event("last"))
    page.goto(project.live)
    rows(page).first.wait_for()
    page.locator("#feed summary[tabindex='0']").focus()
    while "opened" not in str(page.evaluate("document.activeElement.textContent")):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#feed .whole pre")).to_contain_text('"plan": "pro <b>"')
    page.keyboard.press("Escape")
    expect(page.locator("#feed details[open]")).to_have_count(0)


KEEP_WHAT_THE_PILL_SAYS = """() => {
  window.said = [];
  const pill = document.getElementById('connection');
  const all = { childList: true, characterData: true, subtree: true };
  new MutationObserver(() => window.said.push(pill.textContent)).observe(pill, all);
}"""


def test_a_page_that_was_cut_off_catches_up(open_context: Callable[..., BrowserContext], project: Project) -> None:
    project.send(event("before"))
    context = open_context()
    page = context.new_page()
    page.goto(project.live)
    expect(page.locator("#connection")).to_contain_text("live")
    context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("reconnecting")
    page.evaluate(KEEP_WHAT_THE_PILL_SAYS)  # what was caught up stands there for six seconds
    project.send(event("missed_1"), event("missed_2"), event("missed_3"))
    context.set_offline(False)
    expect(page.locator("#connection-spoken")).to_have_text("caught up 3 missed events")
    page.wait_for_function("window.said.some((words) => words.includes('caught up 3 missed events'))")
    expect(page.locator("#today")).to_have_text("4")
    expect(rows(page)).to_have_count(4)


def test_the_chart_can_be_read_as_a_table(page: Page, project: Project) -> None:
    project.send(*[event() for _ in range(9)])
    page.goto(project.live)
    page.locator("#arrivals-chart canvas").first.wait_for()
    page.get_by_role("button", name="Table").click()
    table = page.locator("#arrivals-table")
    expect(table.get_by_role("row")).to_have_count(11)
    nine = page.get_by_role("cell", name="9", exact=True)  # half a minute later it is in the next row
    expect(table.get_by_role("row").filter(has=nine)).to_have_count(1)
    expect(page.locator("#arrivals-chart")).to_be_hidden()


def test_a_page_whose_session_ended_asks_to_log_in_again(page: Page, project: Project) -> None:
    page.goto(project.live)
    expect(page.locator("#connection")).to_contain_text("live")
    page.context.clear_cookies()
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("reconnecting")
    page.context.set_offline(False)
    link = page.get_by_role("alert").get_by_role("link", name="Log in again")
    expect(link).to_be_visible()
    assert "/login?next=%2Flive" in str(link.get_attribute("href"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440, 3840])
def test_a_page_fits_its_window(
    open_context: Callable[..., BrowserContext], project: Project, width: int, scheme: Any
) -> None:
    page = open_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    page.goto(project.live)
    page.locator("#start").wait_for()
    fits(page)
    project.send(
        event("Supercalifragilisticexpialidocious" * 5, userId="u" * 120, pageUrl=f"https://a.example/{'long' * 50}")
    )
    rows(page).first.wait_for()
    fits(page)


def test_the_chosen_colours_are_kept(page: Page, project: Project) -> None:
    page.goto(project.live)
    page.get_by_label("Dark").check()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_nothing_comes_from_elsewhere_and_nothing_is_complained_about(page: Page, project: Project) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    project.send(event("<script>alert(1)</script>", userId="<img src=x onerror=alert(1)>"))
    answer = page.goto(project.live)
    page.locator("#arrivals-chart canvas").first.wait_for()
    rows(page).first.wait_for()
    assert "default-src 'none'" in (answer.headers["content-security-policy"] if answer else "")
    assert [url for url in asked if not url.startswith((project.base_url, "data:"))] == []
    assert said == []


def test_the_api_page_shows_doors_and_socket_events_and_loads_nothing_from_outside(
    page: Page, project: Project
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{project.base_url}/api/docs")
    expect(page.get_by_text("user:events", exact=True).first).to_be_visible()
    page.locator(".opblock-tag", has_text="Send events").first.click()
    expect(page.locator(".opblock-summary-path", has_text="/api/events").first).to_be_visible()
    fits(page)
    assert [url for url in asked if not url.startswith((project.base_url, "data:"))] == []
    assert complaints == []


SITE = """<!doctype html><title>A shop</title>
<script>window.quadra = window.quadra || function () { (quadra.q = quadra.q || []).push(arguments) };
  quadra("early")</script>
<script async src="BASE/q.js" data-key="KEY"></script>
<button data-quadra-event="buy" data-quadra-sku="A1"><b>Buy</b></button>"""


@pytest.fixture
def site(browser: Browser, project: Project) -> Iterator[Page]:
    """A page of another origin that carries the tracker."""
    html = SITE.replace("BASE", project.base_url).replace("KEY", project.write_key).encode()

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as shop, browser.new_context() as context:
        Thread(target=shop.serve_forever, daemon=True).start()
        page = context.new_page()
        with page.expect_response("**/api/events"):
            page.goto(f"http://127.0.0.1:{shop.server_port}/shop/a")
        yield page
        shop.shutdown()


def names(page: Page) -> list[str]:
    return sorted(page.locator("#feed .name").all_text_contents())


def test_the_tracker_tells_of_pages_clicks_and_people(site: Page, page: Page, project: Project) -> None:
    site.evaluate("history.pushState({}, '', '/shop/b')")
    site.get_by_role("button", name="Buy").click()
    site.evaluate("quadra.identify('user_42', {plan: 'pro'}); quadra('tracked', {n: 1})")
    page.goto(project.live)
    expect(rows(page)).to_have_count(6)
    assert names(page) == ["buy", "early", "identify", "page_view", "page_view", "tracked"]
    expect(rows(page).filter(has_text="tracked")).to_contain_text("user_42")


def test_the_tracker_keeps_events_while_offline_and_counts_each_once(site: Page, page: Page, project: Project) -> None:
    site.context.set_offline(True)
    site.evaluate("for (let n = 0; n < 40; n += 1) quadra('offline', {n})")
    site.wait_for_timeout(300)
    site.context.set_offline(False)
    page.goto(project.live)
    expect(page.locator("#today")).to_have_text("42")
    # sent again with the same ids, as after a lost answer: nothing is counted twice
    site.evaluate("location.href = '/shop/c'; quadra('leaving')")
    expect(page.locator("#today")).to_have_text("45")
    page.wait_for_timeout(500)
    expect(page.locator("#today")).to_have_text("45")


def test_the_tracker_is_smaller_than_five_kilobytes(quadra: QuadraProcess) -> None:
    with urllib.request.urlopen(f"{quadra.base_url}/q.js", timeout=90) as answer:
        assert len(gzip.compress(answer.read())) < 5000
        assert "javascript" in answer.headers["Content-Type"]
