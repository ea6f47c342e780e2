"""What whoever has no mouse relies on, asked of the scripts themselves in Chromium: the focus stays where a page draws itself
again, and a dialog is answered by keys. They need a browser, but no server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

DASHBOARD = Path(__file__).parents[2] / "quadra" / "dashboard"
SITE = "http://scripts.invalid"
CONFIRM = (DASHBOARD / "templates" / "confirm.html").read_text().partition("#}")[2]
DRAW = """async (rows) => {
  const { el, fill } = await import('/shared/elements.js');
  const button = (name) => el('button', { type: 'button', 'aria-label': `Pause ${name}` }, 'Pause');
  fill(document.getElementById('rows'), rows, () => rows.map((name) => el('p', {}, button(name))));
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{SITE}/")
        if name:
            route.fulfill(body=(DASHBOARD / "static" / name).read_bytes(), content_type="text/javascript")
        else:
            body = f"<!doctype html><title>Scripts</title><div id=rows></div>{CONFIRM}"
            route.fulfill(body=body, content_type="text/html")

    with browser.new_context() as context:
        page = context.new_page()
        page.route(f"{SITE}/**", answer)
        page.goto(f"{SITE}/")
        yield page


def ask(page: Page) -> None:
    page.evaluate("""async () => {
      const { confirm } = await import('/shared/confirm.js');
      const { el } = await import('/shared/elements.js');
      const from = el('input', { type: 'date', value: '2026-03-01', 'aria-label': 'From' });
      confirm({ title: 'Again?', body: [from], act: 'Do it' }).then((yes) => { window.said = yes; });
    }""")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_what_has_the_focus_keeps_it_where_a_list_is_drawn_again(page: Page) -> None:
    page.evaluate(DRAW, ["kafka", "files"])
    page.get_by_label("Pause files").focus()
    page.evaluate(DRAW, ["bigquery", "files"])
    expect(page.get_by_label("Pause files")).to_be_focused()
    page.evaluate(DRAW, ["bigquery"])
    expect(page.locator("body")).to_be_focused()


def test_the_focus_comes_back_from_a_dialog_to_what_was_drawn_again_meanwhile(page: Page) -> None:
    page.evaluate(DRAW, ["kafka", "files"])
    page.get_by_label("Pause files").focus()
    ask(page)
    page.evaluate(DRAW, ["bigquery", "files"])
    page.keyboard.press("Escape")
    expect(page.get_by_label("Pause files")).to_be_focused()
    page.wait_for_function("window.said === false")


def test_enter_in_a_date_of_a_dialog_is_its_yes(page: Page) -> None:
    ask(page)
    page.get_by_label("From").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("window.said === true")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_tab_goes_from_a_field_with_suggestions_to_the_next_field(page: Page) -> None:
    """A list that scrolls is a stop of Tab by itself, and it is gone when it gets there."""
    page.evaluate("""async () => {
      const { el } = await import('/shared/elements.js');
      const { picker } = await import('/board/picker.js');
      const input = el('input', { 'aria-label': 'Event' });
      const list = picker(input, async () => Array.from({ length: 50 }, (_, number) => `event ${number}`));
      list.style.overflow = 'auto';
      document.getElementById('rows').replaceChildren(input, list, el('input', { 'aria-label': 'Next' }));
    }""")
    page.get_by_label("Event").focus()
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Next")).to_be_focused()
