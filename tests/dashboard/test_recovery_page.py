"""The page of recovery in a real browser: empty, a backup taken and verified by its buttons, and what a viewer sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.looks import fits
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper)) as process:
        yield process


def log_in(page: Page, quadra: QuadraProcess, email: str, password: str) -> None:
    page.goto(f"{quadra.base_url}/login?next=/recovery")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    page.click("main button[type=submit], form button[type=submit]")
    page.wait_for_url("**/recovery*")


def test_an_admin_takes_and_verifies_a_backup_after_being_asked(quadra, browser):
    problems: list[str] = []
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        log_in(page, quadra, quadra.init["admin_email"], quadra.init["admin_password"])

        expect(page.get_by_text("No backups yet.")).to_be_visible()
        expect(page.get_by_text("SQLite has no replicas")).to_be_visible()
        page.get_by_label("Kind of backup").select_option("database")
        page.get_by_role("button", name="Take a backup").click()
        expect(page.get_by_role("dialog")).to_contain_text("Take a backup (database)?")
        page.get_by_role("button", name="Take it").click()
        verify = page.get_by_role("button", name="Verify the database backup")
        expect(verify).to_be_visible()
        expect(page.locator("#backups")).to_contain_text("never")
        verify.click()
        page.get_by_role("button", name="Verify it").click()
        expect(page.locator("#backups")).to_contain_text("restored")

        fits(page)
    assert problems == []


def test_a_viewer_is_told_whom_to_ask(quadra, browser):
    made = json.loads(quadra.run("user", "create", "viewer@example.com", "--generate", "--json").stdout)
    with browser.new_context() as context:
        page = context.new_page()
        log_in(page, quadra, "viewer@example.com", made["password"])

        expect(page.get_by_text("Only admins can see backups")).to_be_visible()
        expect(page.locator("#recovery")).to_have_count(0)
