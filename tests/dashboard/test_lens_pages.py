"""The pages of the lenses as people meet them: a real Quadra, a real browser, real events, sent once for all tests here."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, Route, expect

from tests.clients import make_project
from tests.dashboard.lens_sample import ARABIC, HOSTILE, USERS, sample
from tests.dashboard.looks import fits
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

PAGES = {
    "overview": "How many events arrive?",
    "visits": "How many people visit?",
    "events": "Events over time",
    "funnels": "Where do users stop?",
    "journeys": "Which paths do people take?",
    "retention": "Who comes back?",
    "users": "How many people are active?",
    "features": "Which features are used the most?",
    "satisfaction": "Are people satisfied?",
    "ai": "How much does AI cost?",
    "performance": "How fast are responses?",
    "errors": "Are errors going down?",
}
"""slug -> a panel of it that has a chart."""
EVERY = (*PAGES, "user")
CHART = ".chart[role=img]"


@dataclass(frozen=True)
class Project:
    quadra: QuadraProcess
    slug: str
    write_key: str

    def at(self, page: str, **more: str) -> str:
        return f"{self.quadra.base_url}/{page}?" + urllib.parse.urlencode({"project": self.slug, **more})

    def send(self, *events: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"{self.quadra.base_url}/api/events",
            json.dumps({"events": events}).encode(),
            {"Content-Type": "application/json", "X-Quadra-Key": self.write_key},
        )
        with urllib.request.urlopen(request, timeout=90) as answer:
            stored = json.load(answer)
        assert stored["stored"] == len(events), stored


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper)) as process:
        yield process


def _project(quadra: QuadraProcess, name: str) -> Project:
    made = make_project(quadra, name=name)
    return Project(quadra, made["slug"], made["write"])


@pytest.fixture(scope="module")
def full(quadra: QuadraProcess) -> Project:
    project = _project(quadra, "Secret shop")
    project.send(*sample())
    return project


@pytest.fixture(scope="module")
def empty(quadra: QuadraProcess) -> Project:
    return _project(quadra, "Nothing yet")


class Heard:
    """What a browser asked for and complained about."""

    def __init__(self, context: BrowserContext, base_url: str):
        self.asked: list[str] = []
        self.said: list[str] = []
        self.base_url = base_url
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("console", lambda message: self.said.append(message.text))
        context.on("weberror", lambda error: self.said.append(str(error.error)))
        context.on("dialog", self._dialog)

    def _dialog(self, dialog: Dialog) -> None:
        self.said.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def forget(self) -> None:
        self.asked.clear()
        self.said.clear()

    def check(self) -> None:
        assert self.said == []
        assert [url for url in self.asked if not url.startswith((self.base_url, "data:"))] == []


@pytest.fixture(scope="module")
def context(browser: Browser, quadra: QuadraProcess) -> Iterator[BrowserContext]:
    """Logged in once for the module: logging in is limited per minute, and slow on purpose."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.goto(f"{quadra.base_url}/live")
        page.get_by_label("E-mail").fill(quadra.init["admin_email"])
        page.get_by_label("Password").fill(quadra.init["admin_password"])
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(re.compile("/live"))
        page.close()
        yield context


@pytest.fixture(scope="module")
def heard(context: BrowserContext, quadra: QuadraProcess) -> Heard:
    return Heard(context, quadra.base_url)


@pytest.fixture
def page(context: BrowserContext, heard: Heard) -> Iterator[Page]:
    heard.forget()
    page = context.new_page()
    yield page
    page.close()


def panel(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def tile(page: Page, title: str) -> Locator:
    return page.locator(".kpi").filter(has=page.get_by_role("heading", name=title, exact=True))


def settled(page: Page) -> None:
    """All questions are answered."""
    expect(page.locator("#board")).to_have_attribute("aria-busy", "false")
    expect(page.locator('#board [aria-busy="true"]')).to_have_count(0)


def test_a_page_is_of_the_project_that_its_address_names(
    context: BrowserContext, quadra: QuadraProcess, full: Project, empty: Project
) -> None:
    for slug in (full.slug, empty.slug):
        shown = context.request.get(f"{quadra.base_url}/events?project={slug}").text()
        assert f'<option value="{slug}" selected>' in shown
    assert context.request.get(f"{quadra.base_url}/events?project=nothing-is-here").status == 404


@pytest.mark.parametrize("slug", EVERY)
def test_a_page_shows_what_happened_and_each_chart_as_a_table_too(
    page: Page, heard: Heard, full: Project, slug: str
) -> None:
    answer = page.goto(full.at(slug, **({"user": "user_0"} if slug == "user" else {})))
    settled(page)
    assert "default-src 'none'" in (answer.headers["content-security-policy"] if answer else "")
    expect(page.locator("#board [role=alert]:not([hidden]):not(:empty)")).to_have_count(0)
    charts = page.locator(CHART).locator("visible=true")
    toggles = page.get_by_role("button", name="Table", exact=True).locator("visible=true")
    found = charts.count()
    assert found == toggles.count() > 0
    for toggle in toggles.all():
        toggle.click()
    expect(charts).to_have_count(0)
    for section in page.locator("section.panel .content:visible").filter(has=page.locator(".chart")).all():
        assert section.locator("table:visible tbody tr").count() > 0
    expect(page).to_have_title(re.compile("Quadra"))
    assert page.locator("#board script, #board img").count() == 0
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    for toggle in toggles.all():
        toggle.click()
    expect(page.locator(f"{CHART}:has(canvas)").locator("visible=true")).to_have_count(found)
    fits(page)
    heard.check()


@pytest.mark.parametrize("slug", EVERY)
def test_a_page_without_events_says_how_to_send_the_first(page: Page, heard: Heard, empty: Project, slug: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(empty.at(slug, **({"user": "nobody"} if slug == "user" else {})))
    settled(page)
    expect(page.locator("#board [role=alert]:not([hidden]):not(:empty)")).to_have_count(0)
    if slug in PAGES:
        expect(page.locator(".snippet code").first).to_contain_text(f"curl {empty.quadra.base_url}/api/")
    else:
        expect(panel(page, "What did this user do?")).to_contain_text("No events by this person")
    fits(page)
    heard.check()


def test_the_events_that_empty_pages_propose_are_accepted_and_shown(page: Page, quadra: QuadraProcess) -> None:
    project = _project(quadra, "First steps")
    for slug in ("features", "satisfaction", "ai"):
        page.goto(project.at(slug))
        settled(page)
        for snippet in page.locator(".snippet code").all_text_contents():
            body = snippet[snippet.index("-d '") + 4 : snippet.rindex("'")]
            headers = {"Content-Type": "application/json", "X-Quadra-Key": project.write_key}
            request = urllib.request.Request(snippet.split()[1], body.encode(), headers)
            with urllib.request.urlopen(request, timeout=90) as answer:
                assert answer.status == 200
        page.reload()
        expect(panel(page, PAGES[slug]).locator(CHART)).to_be_visible()


def test_a_number_follows_what_arrives_and_the_focus_stays(page: Page, quadra: QuadraProcess) -> None:
    project = _project(quadra, "Moving")
    project.send({"eventType": "opened", "userId": "ada", "properties": {"plan": "pro"}})
    page.goto(project.at("events", days="1"))
    settled(page)
    latest = panel(page, "Latest events")
    latest.locator("summary").first.click()
    table = panel(page, "Top events").locator("tbody tr")
    expect(table.nth(0).locator("td").nth(1)).to_have_text("1")
    project.send(*[{"eventType": "opened", "userId": "bob"} for _ in range(4)])
    expect(table.nth(0).locator("td").nth(1)).to_have_text("5")
    expect(latest.locator("li")).to_have_count(5)
    expect(latest.locator("details[open]")).to_have_count(1)
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_what_is_chosen_stands_in_the_address(page: Page, full: Project) -> None:
    page.goto(full.at("events"))
    settled(page)
    page.get_by_label("Time", exact=True).select_option("7")
    page.get_by_label("Compare").select_option("no")
    page.get_by_label("Split by").fill("plan")
    page.get_by_label("Split by").press("Enter")
    page.get_by_role("button", name="+ Filter").click()
    page.get_by_label("a field or property").fill("plan")
    page.get_by_label("is", exact=True).fill(HOSTILE)
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page).to_have_url(re.compile(r"days=7.*compare=no.*breakdown=plan.*where%5Bplan%5D="))
    rows = panel(page, "Top events").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.locator("th")).to_have_text(HOSTILE)
    counted = rows.locator("td").nth(1).text_content()
    page.reload()
    expect(rows).to_have_count(1)
    expect(rows.locator("td").nth(1)).to_have_text(str(counted))
    expect(page.get_by_label("Time", exact=True)).to_have_value("7")
    page.get_by_role("button", name=re.compile("remove this filter")).click()
    expect(rows).not_to_have_count(1)
    page.go_back()
    expect(rows).to_have_count(1)


def test_today_is_compared_with_yesterday_until_the_same_time(page: Page, quadra: QuadraProcess) -> None:
    project = _project(quadra, "Compared")
    project.send(*[{"eventType": "opened", "userId": f"u{n}"} for n in range(3)])
    with page.expect_request("**/api/analytics/ask") as asked:
        page.goto(project.at("overview", days="1"))
    settled(page)
    expect(tile(page, "Active users").locator(".num")).to_have_text("3")
    expect(tile(page, "Active users").locator(".delta")).to_contain_text("before: 0")
    (overview,) = [
        one["params"] for one in asked.value.post_data_json["questions"].values() if one["lens"] == "dashboard"
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", overview["compare_from"])
    assert re.fullmatch(overview["compare_from"] + r"T\d\d:\d\d", overview["compare_to"])
    page.get_by_label("Compare").select_option("no")
    expect(tile(page, "Active users").locator(".delta")).not_to_contain_text("before")


def test_a_row_of_visits_filters_the_page_and_alt_leaves_it_out(page: Page, full: Project) -> None:
    page.goto(full.at("visits", days="7"))
    settled(page)
    pages = panel(page, "Which pages?")
    expect(tile(page, "Visitors").locator(".num")).to_have_text(str(USERS))
    pages.get_by_role("button", name="/signup", exact=True).click()
    expect(page).to_have_url(re.compile(r"where%5Bpage%5D=%2Fsignup"))
    expect(tile(page, "Visitors").locator(".num")).to_have_text("2")
    page.get_by_role("button", name=re.compile("Page is .signup.*remove this filter")).click()
    expect(tile(page, "Visitors").locator(".num")).to_have_text(str(USERS))
    pages.get_by_role("button", name="Entry", exact=True).click()
    pages.get_by_role("button", name="/", exact=True).focus()
    page.keyboard.press("Alt+Enter")
    expect(page).to_have_url(re.compile(r"where%5Bentry_page%5D%5Bis_not%5D=%2F"))
    expect(tile(page, "Visitors").locator(".num")).to_have_text("0")


def test_keys_choose_the_time_and_move_it(page: Page, full: Project) -> None:
    page.goto(full.at("goals", range="last-week", compare="year"))
    settled(page)
    time = page.get_by_label("Time", exact=True)
    expect(time).to_have_value("last-week")
    expect(page.get_by_label("Compare", exact=True)).to_have_value("year")
    page.keyboard.press("d")
    expect(time).to_have_value("1")
    expect(page).to_have_url(re.compile(r"\?project=[^&]+&compare=year&days=1$"))
    page.keyboard.press("ArrowLeft")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    expect(page).to_have_url(re.compile(rf"&from={yesterday}&to={yesterday}$"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.get_by_label("a field or property").press("w")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"&from={yesterday}&to={yesterday}$"))


def test_a_goal_is_made_and_shown_beside_every_source(page: Page, full: Project) -> None:
    page.goto(full.at("goals", days="7"))
    settled(page)
    shown = panel(page, "Which goals are reached?")
    shown.get_by_role("button", name="+ Goal").click()
    page.get_by_label("Name", exact=True).fill("Bought")
    page.get_by_label("Event", exact=True).fill("bought")
    page.get_by_label("Currency", exact=True).fill("EUR")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("with a value_property")
    page.get_by_label("Currency", exact=True).fill("")
    page.get_by_role("button", name="Keep", exact=True).click()
    row = shown.locator("tbody tr")
    expect(row).to_contain_text("event bought")
    expect(row.locator("td").nth(1)).to_have_text("2")
    row.get_by_role("link", name="Bought").click()
    settled(page)
    expect(tile(page, "Conversions").locator(".num")).not_to_have_text("0")
    expect(panel(page, "Which pages?").get_by_role("button", name="Revenue")).to_be_visible()
    page.goto(full.at("goals", days="7"))
    shown.get_by_role("button", name="Delete the goal Bought").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(shown).to_contain_text("No goals yet")


def ask_by_itself(route: Route) -> None:
    """What is asked of the time before is told to be too large beside the others."""
    response, questions = route.fetch(), (route.request.post_data_json or {})["questions"]
    lines = [json.loads(line) for line in response.text().splitlines()]
    error = {"status": 503, "code": "too_large", "message": "", "fields": {}}
    told = [{"key": one["key"], "error": error} if "from" in questions[one["key"]]["params"] else one for one in lines]
    route.fulfill(response=response, body="".join(f"{json.dumps(line)}\n" for line in told))


def test_a_chart_is_zoomed_and_a_table_sorted_by_keys(page: Page, full: Project) -> None:
    earlier: list[Route] = []  # the answer of the time before comes once the keys have pointed at a day
    of_before = re.compile(r"/trends\?.*&from=.*interval=day$")
    page.route(of_before, lambda route: route.fallback() if earlier else earlier.append(route))
    page.route("**/api/analytics/ask", ask_by_itself, times=1)
    page.goto(full.at("events", days="7"))
    chart = panel(page, "Events over time").locator(CHART)
    expect(chart).to_have_attribute("tabindex", "0")
    eventually(lambda: page.wait_for_timeout(50) or earlier)
    chart.focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    expect(panel(page, "Events over time").get_by_role("status")).to_contain_text("Events")
    earlier[0].continue_()
    expect(panel(page, "Events over time").get_by_role("status")).to_contain_text("Difference")
    page.keyboard.press("Enter")
    today = datetime.now(UTC).date()
    expect(page).to_have_url(re.compile(rf"&from={today - timedelta(days=1)}&to={today}$"))
    settled(page)
    table = panel(page, "Top events")
    heading = table.get_by_role("columnheader", name="Events", exact=True)
    for order in ("descending", "ascending"):
        heading.get_by_role("button").press("Enter")
        expect(heading).to_have_attribute("aria-sort", order)
    counted = [int(text) for text in table.locator("tbody tr td:nth-child(3)").all_text_contents()]
    assert counted == sorted(counted) != counted[::-1]
    heading.get_by_role("button").press("Enter")
    expect(heading).not_to_have_attribute("aria-sort", re.compile("."))


def test_a_segment_is_put_together_by_keys_and_its_people_looked_at(page: Page, full: Project) -> None:
    page.goto(full.at("segments", days="7"))
    settled(page)
    shown = panel(page, "Which people belong together?")
    shown.get_by_role("button", name="+ Segment").click()
    page.get_by_label("Name", exact=True).fill("Buyers")
    page.get_by_role("button", name="+ What they did").click()
    page.keyboard.type("bou")
    expect(page.get_by_role("listbox", name="Suggestions").get_by_role("option")).to_have_text("bought")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Event 1", exact=True)).to_have_value("bought")
    page.get_by_role("button", name="Keep", exact=True).click()
    row = shown.locator("tbody tr")
    expect(row).to_contain_text("did “bought” at least once")
    expect(row.locator("td").nth(1)).to_have_text("2")
    row.get_by_role("link", name="People of Buyers").click()
    expect(tile(page, "Active").locator(".num")).to_have_text("2")
    page.go_back()
    shown.get_by_role("button", name="Delete the segment Buyers").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(shown).to_contain_text("No segments yet")


def test_time_and_filters_go_along_to_other_pages_and_projects(page: Page, full: Project, empty: Project) -> None:
    page.goto(full.at("visits"))
    settled(page)
    page.get_by_label("Time", exact=True).select_option("7")
    panel(page, "Which pages?").get_by_role("button", name="/signup", exact=True).click()
    page.get_by_role("link", name="Events", exact=True).click()
    expect(page).to_have_url(re.compile(rf"/events\?project={full.slug}&days=7&where%5Bpage%5D=%2Fsignup$"))
    settled(page)
    expect(page.get_by_role("button", name=re.compile("Page is .signup.*not used on this page"))).to_be_visible()
    expect(panel(page, "Top events").locator("tbody tr")).not_to_have_count(0)
    page.get_by_role("link", name="Insights", exact=True).click()
    page.get_by_role("link", name="Users", exact=True).click()
    expect(page).to_have_url(re.compile(r"/users\?.*days=7&where%5Bpage%5D=%2Fsignup$"))
    settled(page)
    page.get_by_label("Project", exact=True).select_option(empty.slug)
    expect(page).to_have_url(re.compile(rf"/users\?project={empty.slug}&days=7&where%5Bpage%5D=%2Fsignup$"))


def test_a_funnel_is_built_by_clicking(page: Page, full: Project) -> None:
    page.goto(full.at("funnels"))
    settled(page)
    page.get_by_label("Event of step 1").fill("page_view")
    page.get_by_label("Event of step 2").fill("searched")
    page.get_by_role("button", name="+ Step").click()
    page.get_by_label("Event of step 3").fill("bought")
    page.get_by_label("Event of step 3").press("Enter")
    shown = panel(page, "Where do people drop out?")
    expect(shown).to_contain_text(f"2 of {USERS} users completed all 3 steps: 33.3 %")
    shown.get_by_role("button", name="Table").click()
    cells = [row.locator("th, td").all_text_contents()[:3] for row in shown.locator("tbody tr").all()]
    assert cells == [
        ["1. page_view", "6", "100.0 %"],
        ["2. searched", "4", "66.7 %"],
        ["3. bought", "2", "33.3 %"],
    ]
    page.get_by_label("Split by").fill("plan")
    page.get_by_label("Split by").press("Enter")
    expect(panel(page, "Who converts, by group?")).to_contain_text(ARABIC)
    page.get_by_role("button", name="Move step 3 up").click()
    expect(shown.locator("tbody th")).to_have_text(["1. page_view", "2. bought", "3. searched"])
    page.reload()
    expect(page.get_by_label("Event of step 2")).to_have_value("bought")


def test_a_question_that_fails_says_so_and_is_asked_again(page: Page, full: Project) -> None:
    page.route("**/api/analytics/ask", lambda route: route.abort())
    page.goto(full.at("journeys", **{"from": "2020-01-01", "to": "2020-01-31"}))  # over: nothing asks again by itself
    shown = panel(page, PAGES["journeys"])
    expect(shown.get_by_role("alert")).to_contain_text("Quadra cannot be reached.")
    page.unroute("**/api/analytics/ask")
    shown.get_by_role("button", name="Try again").click()
    expect(shown).to_contain_text("No transitions between pages or events")
    expect(shown.get_by_role("alert")).to_be_hidden()


def test_questions_of_a_page_are_one_request_of_which_one_may_fail(page: Page, full: Project) -> None:
    def refuse_some(route: Route) -> None:
        response = route.fetch()
        told = {line["key"]: line for line in map(json.loads, response.text().splitlines())}
        for key, code in (("q2", "query_too_large"), ("q3", "too_large")):
            error = {"status": 503, "code": code, "message": "Ask for less.", "fields": {}}
            told[key] = {"key": key, "error": error}
        route.fulfill(response=response, body="".join(f"{json.dumps(line)}\n" for line in told.values()))

    page.route("**/api/analytics/ask", refuse_some)
    with (
        page.expect_request("**/api/analytics/ask") as asked,
        page.expect_request("**/api/analytics/visits?*") as alone,
    ):
        page.goto(full.at("visits", **{"from": "2020-01-01", "to": "2020-01-31"}))  # over: nothing asks again by itself
    questions = list(asked.value.post_data_json["questions"].values())
    assert [one["lens"] for one in questions] == ["visits", "goals", "visits", "visits", "visits", "visits", "hidden"]
    assert questions[2]["params"]["by"] == "channel"
    assert "by=page" in alone.value.url  # what is too large beside the others
    failed = panel(page, "Where do they come from?")
    expect(failed.get_by_role("alert")).to_contain_text("Ask for less.")
    expect(panel(page, "Which pages?")).to_contain_text("No page views in this period.")
    failed.get_by_role("button", name="Try again").click()
    expect(failed).to_contain_text("No visits in this period.")
    expect(failed.get_by_role("alert")).to_be_hidden()


def test_an_answer_that_breaks_off_leaves_what_came_and_refuses_the_rest(page: Page, full: Project) -> None:
    def break_off(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().partition("\n")[0] + "\n")

    page.route("**/api/analytics/ask", break_off)
    page.goto(full.at("visits", **{"from": "2020-01-01", "to": "2020-01-31"}))
    expect(panel(page, PAGES["visits"])).to_contain_text("No visits in this period.")
    expect(panel(page, "Which pages?").get_by_role("alert")).to_contain_text("Quadra did not answer to the end.")


def test_a_statement_is_answered_in_a_table_a_chart_and_a_file_or_says_what_it_may_not_do(
    page: Page, full: Project
) -> None:
    page.goto(full.at("sql"))
    answered, drawn = panel(page, "What does it answer?"), panel(page, "How does it look?")
    expect(answered).to_contain_text("Write a statement above")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(answered.locator("tbody")).to_contain_text("page_view")
    expect(drawn.locator(CHART)).to_be_visible()
    with page.expect_download() as file:
        answered.get_by_role("button", name="CSV").click()
    assert file.value.path().read_text().startswith("name,events")
    box = page.get_by_label("Statement")
    box.fill("SELECT * FROM read_csv('/etc/passwd')")
    box.press("Control+Enter")
    expect(answered.get_by_role("alert")).to_contain_text("'read_csv' may not be used")


def test_a_page_that_meets_a_busy_server_asks_again_by_itself(page: Page, full: Project) -> None:
    busy = json.dumps({"error": {"code": "busy", "message": "Too many questions at once; try again."}})
    page.route("**/api/analytics/ask", lambda route: route.fulfill(status=503, body=busy), times=2)
    page.goto(full.at("ai", **{"from": "2020-01-01", "to": "2020-01-31"}))  # over: nothing asks again by itself
    expect(panel(page, PAGES["ai"])).to_contain_text("No AI calls")


def test_what_has_not_begun_is_not_shown_as_nothing(page: Page, full: Project) -> None:
    page.goto(full.at("overview", days="1"))
    shown = panel(page, PAGES["overview"])
    shown.get_by_role("button", name="Table").click()
    now = datetime.now(UTC).hour
    expect(shown.locator("tbody tr")).to_have_count(now + 1)


def test_an_error_is_resolved_and_reopened(page: Page, full: Project) -> None:
    page.goto(full.at("errors"))
    settled(page)
    groups = panel(page, "Top errors").get_by_role("article")
    expect(tile(page, "Unresolved").locator(".num")).to_have_text("5")
    first = groups.first
    first.locator("summary").click()
    expect(first.locator("pre")).to_contain_text(HOSTILE)
    first.get_by_role("button", name="Resolve").click()
    expect(tile(page, "Unresolved").locator(".num")).to_have_text("4")
    groups.get_by_role("button", name="Reopen").click()
    expect(tile(page, "Unresolved").locator(".num")).to_have_text("5")


def test_a_person_is_forgotten_after_their_id_was_written(page: Page, full: Project) -> None:
    full.send({"eventType": "opened", "userId": "forget me/please"})
    page.goto(full.at("user", user="forget me/please"))
    expect(panel(page, "What did this user do?")).to_contain_text("opened")
    page.get_by_role("button", name="Erase this person…").click()
    erase = page.get_by_role("button", name="Erase", exact=True)
    expect(erase).to_be_disabled()
    page.get_by_label("Type the id to confirm").fill("forget me/please")
    erase.click()
    expect(page.get_by_text("A worker is erasing this person now.")).to_be_visible()
    expect(panel(page, "What did this user do?")).to_contain_text("No events by this person")


def test_a_link_shows_one_page_to_a_stranger_and_nothing_else(
    page: Page, browser: Browser, full: Project, quadra: QuadraProcess
) -> None:
    page.goto(full.at("users", days="7"))
    settled(page)
    page.get_by_role("button", name="Save & share").click()
    page.get_by_label("Name of the view").fill(f"Weekly {HOSTILE}")
    page.get_by_role("button", name="Save this view").click()
    page.get_by_role("button", name="Create a share link for").click()
    link = page.locator(".share-link")
    expect(link).to_have_value(re.compile(r"^http://127\.0\.0\.1:\d+/share/qs_"))
    url = link.input_value()
    with browser.new_context() as context:
        heard = Heard(context, quadra.base_url)
        stranger = context.new_page()
        stranger.goto(url)
        settled(stranger)
        expect(tile(stranger, "Active").locator(".num")).to_have_text(str(USERS))
        expect(panel(stranger, "Most active users").get_by_role("link")).to_have_count(0)
        expect(stranger.get_by_role("navigation")).to_have_count(0)
        expect(stranger.locator("a")).to_have_count(0)
        assert "Secret" not in stranger.content()
        assert full.slug not in stranger.content()
        assert stranger.title().startswith("Weekly <script>")
        heard.check()
        assert {urllib.parse.urlsplit(asked).path.split("/")[1] for asked in heard.asked} == {"share", "static"}
        answered = {
            urllib.parse.urlsplit(asked).path.partition("/data")[1:] for asked in heard.asked if "/data" in asked
        }
        assert answered == {("/data", "")}  # several at once, none by itself
        assert context.cookies() == []
        told = context.request.get(f"{url}/data/users").text()
        assert full.slug not in told
    page.reload()
    page.get_by_role("button", name="Save & share").click()
    page.get_by_role("button", name="Revoke the share link of").click()
    expect(page.get_by_role("button", name="Revoke the share link of")).to_have_count(0)
    with browser.new_context() as context:
        stranger = context.new_page()
        assert stranger.goto(url).status == 404  # type: ignore[union-attr]
