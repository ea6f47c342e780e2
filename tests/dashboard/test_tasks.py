"""Six things that new users want to know, done by them in a real browser, and with how many clicks: docs/pages.md says it too."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.clients import make_project
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "pages.md"
CAMPAIGNS = {"autumn": (2, 50), "spring": (3, 10)}
"""name -> (how many people came by it, what each bought)."""


def events() -> Iterator[dict[str, Any]]:
    at = int(time.time() * 1000) - 600_000
    for campaign, (people, amount) in CAMPAIGNS.items():
        for number in range(people):
            who = {"userId": f"{campaign}_{number}", "sessionId": f"{campaign}-{number}"}
            url = f"https://shop.example/?utm_source=news&utm_medium=email&utm_campaign={campaign}"
            yield {**who, "kind": "page", "pageUrl": url, "timestamp": at}
            yield {**who, "eventType": "basket", "timestamp": at + 1000}
            yield {**who, "eventType": "order", "properties": {"amount": amount}, "timestamp": at + 2000}
    yield {"userId": "left", "eventType": "basket", "timestamp": at}
    yield {
        "userId": "left",
        "kind": "error",
        "errorType": "TypeError",
        "message": "x is undefined",
        "timestamp": at + 1000,
    }
    yield {"userId": "left"}  # of no kind, and refused


class Hand:
    """Clicks, and counts them. A field counts for the click into it; typing and Enter do not count."""

    def __init__(self, page: Page):
        self.page = page
        self.clicks = 0

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def write(self, label: str, text: str) -> None:
        self.click(self.page.get_by_label(label, exact=True))
        self.page.keyboard.type(text)

    def pick(self, label: str, text: str) -> None:
        """The beginning of a name; the list offers the rest."""
        self.write(label, text)
        expect(self.page.get_by_role("listbox", name="Suggestions").get_by_role("option").first).to_contain_text(text)
        self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")

    def go(self, name: str) -> None:
        self.click(self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True))
        expect(self.page.locator("#board")).to_have_attribute("aria-busy", "false")

    def button(self, name: str | re.Pattern[str], within: Locator | None = None) -> None:
        exact = isinstance(name, str)
        self.click((within or self.page).get_by_role("button", name=name, exact=exact))

    def panel(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title, exact=True)


def make_a_goal(hand: Hand) -> None:
    hand.go("Goals")
    hand.button("+ Goal")
    hand.write("Name", "Ordered")
    hand.pick("Event", "order")
    hand.pick("Property of its value", "amount")
    hand.write("Currency", "EUR")
    hand.button("Keep")
    expect(hand.panel("Which goals are reached?").locator("tbody tr")).to_contain_text("€130")


def find_the_best_campaign(hand: Hand) -> None:
    hand.go("Visits")
    hand.button("Ordered", hand.panel("Which goals are reached?"))
    sources = hand.panel("Where do they come from?")
    hand.button("Campaigns", sources)
    hand.button("Revenue", sources)
    row = sources.locator("tbody tr").first
    expect(row.locator("th")).to_have_text("autumn")
    expect(row.locator("td").last).to_have_text("€100")


def see_who_drops_out(hand: Hand) -> None:
    hand.go("Funnels")
    hand.pick("Event of step 1", "basket")
    hand.pick("Event of step 2", "order")
    drop = hand.panel("Where do people drop out?")
    hand.button("Table", drop)
    hand.click(drop.locator("tbody tr").nth(1).get_by_role("button", name="1", exact=True))
    expect(hand.page.get_by_role("dialog").locator("tbody tr")).to_have_text("left")
    hand.button("Close")


def see_whom_an_error_hit(hand: Hand) -> None:
    hand.go("Errors")
    hand.click(hand.panel("Top errors").get_by_role("link", name="1 person", exact=True))
    hand.click(hand.panel("Most active users").get_by_role("link", name="left", exact=True))
    expect(hand.panel("What did this user do?")).to_contain_text("basket")


def look_at_buyers_alone(hand: Hand) -> None:
    hand.go("Segments")
    hand.button("+ Segment")
    hand.write("Name", "Buyers")
    hand.button("+ What they did")
    hand.pick("Event 1", "order")
    hand.button("Keep")
    hand.click(hand.page.get_by_role("link", name="Visits of Buyers", exact=True))
    visitors = hand.page.locator(".kpi").filter(has=hand.page.get_by_role("heading", name="Visitors", exact=True))
    expect(visitors.locator(".num")).to_have_text("5")


def see_why_events_were_refused(hand: Hand) -> None:
    hand.go("Numbers")
    expect(hand.panel("Why were events refused?").locator("tbody tr")).to_contain_text("1")


TASKS: dict[str, Callable[[Hand], None]] = {
    "Make a goal that counts revenue": make_a_goal,
    "Find the campaign with the most revenue": find_the_best_campaign,
    "See where people drop out, and who they are": see_who_drops_out,
    "See whom an error hit, and what they did": see_whom_an_error_hit,
    "Look at the visits of buyers alone": look_at_buyers_alone,
    "See what was refused, and why": see_why_events_were_refused,
}


@contextmanager
def logged_in(browser: Browser, quadra: QuadraProcess) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.goto(quadra.base_url)
        page.get_by_label("E-mail").fill(quadra.init["admin_email"])
        page.get_by_label("Password").fill(quadra.init["admin_password"])
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(re.compile("/overview"))
        yield page


def test_six_tasks_of_new_users_take_as_many_clicks_as_written(browser: Browser, keeper: Keeper) -> None:
    with closing(QuadraProcess(keeper)) as quadra, logged_in(browser, quadra) as page:
        project = make_project(quadra, name="Tasks")
        headers = {"Content-Type": "application/json", "X-Quadra-Key": project["write"]}
        body = json.dumps({"events": list(events())}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{quadra.base_url}/api/events", body, headers)) as answer:
            assert json.load(answer)["refused"] == 1
        clicks = {}
        for task, act in TASKS.items():
            hand = Hand(page)
            page.goto(f"{quadra.base_url}/overview?project={project['slug']}&days=7")
            act(hand)
            clicks[task] = hand.clicks
    written = re.findall(r"^\| (\d+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert {task: int(number) for number, task in written} == clicks
