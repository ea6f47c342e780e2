"""Settings in a real browser: a key, an invitation, a second factor, the first steps, and what a viewer sees."""

from __future__ import annotations

import json
import re
from base64 import b32decode
from collections.abc import Iterator
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import Browser, Page, expect

from quadra.core import clock
from quadra.dashboard.pages import FOR_ADMINS, SETTINGS
from tests.dashboard.looks import fits
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

PASSWORD = "nine purple llamas sing"


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, {"QUADRA_EXPORT_FREE_MB": "0"})) as process:
        yield process


@pytest.fixture(scope="module")
def admin(browser: Browser, quadra: QuadraProcess) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        log_in(page, quadra, quadra.init["admin_email"], quadra.init["admin_password"])
        yield page


def log_in(page: Page, quadra: QuadraProcess, email: str, password: str) -> None:
    page.goto(f"{quadra.base_url}/login?next=/settings")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def kept(page: Page) -> str:
    """What the dialog shows once."""
    expect(page.locator("#once")).to_be_visible()
    text = page.locator("#once-text").inner_text()
    page.get_by_role("button", name="I have kept it").click()
    return text


def test_every_page_fits_a_phone_and_complains_of_nothing(admin: Page, quadra: QuadraProcess) -> None:
    problems: list[str] = []
    admin.on("pageerror", lambda error: problems.append(str(error)))
    for name in SETTINGS:
        admin.goto(f"{quadra.base_url}/settings/{name}")
        expect(admin.locator("h1")).to_have_text(SETTINGS[name])
        expect(admin.locator(".skeleton")).to_have_count(0)
        expect(admin.locator("#problem")).to_be_hidden()
        fits(admin)
    assert problems == []


def test_a_kind_of_job_is_paused_and_resumed_by_keyboard_with_a_reason(admin: Page, quadra: QuadraProcess) -> None:
    """The page of operations, which is beside settings for whoever runs Quadra."""
    admin.goto(f"{quadra.base_url}/operations")
    pause, resume = admin.get_by_label("Pause analyse", exact=True), admin.get_by_label("Resume analyse", exact=True)
    expect(admin.locator(".skeleton")).to_have_count(0)
    fits(admin)
    pause.press("Enter")
    # without a reason nothing is done
    admin.keyboard.press("Enter")
    expect(admin.locator("#confirm")).to_be_visible()
    admin.keyboard.type("upgrade")
    admin.keyboard.press("Enter")
    expect(admin.locator("#kinds tr", has=resume)).to_contain_text("upgrade")
    resume.press("Enter")
    admin.keyboard.type("done")
    admin.keyboard.press("Enter")
    expect(pause).to_be_visible()
    expect(admin.get_by_label("Run now: Backup of the database")).to_be_visible()
    expect(admin.locator("#problem")).to_be_hidden()


def test_a_long_table_that_a_fake_answer_fills_sorts_and_pages_by_keyboard(admin: Page, quadra: QuadraProcess) -> None:
    """The mechanism of all tables outside boards, at the list of keys: names come as key 0, key 37, key 14, …"""
    numbers = [(at * 37) % 60 for at in range(60)]
    one = {"prefix": "qk_", "scope": "read", "origins": [], "created_at": "2026-01-01T00:00:00Z", "last_used_at": None}
    keys = [{**one, "id": str(at), "name": f"key {number}", "revoked_at": None} for at, number in enumerate(numbers)]
    admin.route("**/api/keys?*", lambda route: route.fulfill(json={"keys": keys}))
    admin.set_viewport_size({"width": 1200, "height": 800})
    admin.goto(f"{quadra.base_url}/settings/keys")
    names = admin.locator("#rows tr:visible > th")
    heading = admin.get_by_role("columnheader").filter(has_text="For")
    expect(names).to_have_text([f"key {number}" for number in numbers[:50]])
    heading.get_by_role("button").press("Enter")
    expect(names).to_have_text([f"key {number}" for number in range(50)])
    expect(heading).to_have_attribute("aria-sort", "ascending")
    admin.keyboard.press("Enter")  # the heading kept the focus
    expect(names).to_have_text([f"key {number}" for number in range(59, 9, -1)])
    admin.get_by_role("button", name="Rows after").press("Enter")
    expect(names).to_have_text([f"key {number}" for number in range(9, -1, -1)])
    heading.get_by_role("button").press("Enter")  # as it came
    expect(names).to_have_text([f"key {number}" for number in numbers[:50]])
    admin.unroute("**/api/keys?*")
    admin.set_viewport_size({"width": 390, "height": 800})


def test_a_key_is_shown_once_opens_and_is_revoked(admin: Page, quadra: QuadraProcess) -> None:
    admin.goto(f"{quadra.base_url}/settings/keys")
    admin.get_by_label("What it is for").fill("reports")
    admin.get_by_label("Scope").select_option("read")
    admin.get_by_label("Pages that may use it").fill("nonsense")
    admin.get_by_role("button", name="Make the key").click()
    expect(admin.get_by_label("Pages that may use it")).to_have_attribute("aria-invalid", "true")
    admin.get_by_label("Pages that may use it").fill("")
    admin.get_by_role("button", name="Make the key").click()
    key = kept(admin)
    headers = {"Authorization": f"Bearer {key}"}
    asked = admin.request.get(f"{quadra.base_url}/api/projects", headers=headers)
    assert asked.status == 200
    admin.get_by_role("button", name="Revoke reports").press("Enter")
    expect(admin.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    admin.keyboard.press("Tab")
    admin.keyboard.press("Enter")
    expect(admin.locator("#rows")).to_contain_text("revoked")
    assert admin.request.get(f"{quadra.base_url}/api/projects", headers=headers).status == 401


def test_who_is_invited_chooses_a_password_and_turns_a_second_factor_on(
    admin: Page, quadra: QuadraProcess, browser: Browser
) -> None:
    admin.goto(f"{quadra.base_url}/settings/people")
    admin.get_by_label("E-mail").fill("eve@example.com")
    admin.get_by_role("button", name="Invite").click()
    link = kept(admin)
    expect(admin.locator("#rows")).to_contain_text("eve@example.com")

    with browser.new_context() as context:
        page = context.new_page()
        page.goto(link)
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_role("button", name="Use this password").click()
        page.wait_for_url("**/login")
        log_in(page, quadra, "eve@example.com", PASSWORD)

        page.locator("#begin-factor").get_by_label("Present password").fill(PASSWORD)
        page.get_by_role("button", name="Set it up").click()
        secret = b32decode(page.get_by_label("Key for the app").inner_text().replace(" ", ""))
        expect(page.get_by_role("img", name="QR code for the app")).to_be_visible()
        page.get_by_label("Code that the app shows").fill(
            TOTP(secret, 6, SHA1(), 30).generate(int(clock.now().timestamp())).decode()
        )
        page.get_by_role("button", name="Turn it on").click()
        codes = kept(page).split()
        assert len(codes) == 10
        expect(page.locator("#factor")).to_contain_text("10 of 10 recovery codes are left")

        page.get_by_role("button", name="Log out").click()
        log_in(page, quadra, "eve@example.com", PASSWORD)
        page.get_by_label("Code").fill(codes[0])
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#factor")).to_contain_text("9 of 10 recovery codes are left")
        expect(page.locator("#rows")).to_contain_text("this one")

        for name in FOR_ADMINS:
            page.goto(f"{quadra.base_url}/settings/{name}")
            expect(page.get_by_text("Only admins can see and change this")).to_be_visible()


def test_a_project_gets_another_zone_which_stands_in_the_audit_log(admin: Page, quadra: QuadraProcess) -> None:
    admin.goto(f"{quadra.base_url}/settings/project")
    admin.get_by_label("Time zone").fill("Europe/Nowhere")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    admin.get_by_label("Time zone").fill("Europe/Berlin")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("The project is saved.")).to_be_visible()
    admin.goto(f"{quadra.base_url}/settings/audit?action=accounts.project.changed")
    expect(admin.locator("#rows")).to_contain_text("timezone: Europe/Berlin")
    with admin.expect_download() as waiting:
        admin.get_by_role("button", name="Export CSV").click()
    assert re.search(r'"accounts.project.changed","default"', waiting.value.path().read_text())


def test_the_first_steps_tick_themselves(admin: Page, quadra: QuadraProcess) -> None:
    admin.goto(f"{quadra.base_url}/settings/start")
    send = admin.locator("[data-step=send]")
    expect(send).to_contain_text("not done yet")
    admin.get_by_label("From").select_option("curl")
    admin.get_by_role("button", name="Fill in a new write key").click()
    expect(admin.locator("#snippet")).to_contain_text("X-Quadra-Key: qk_")
    key = re.search(r"qk_[\w-]+", admin.locator("#snippet").inner_text())
    assert key
    body = json.dumps({"eventType": "hello", "userId": "me"})
    headers = {"X-Quadra-Key": key[0], "Content-Type": "application/json"}
    assert admin.request.post(f"{quadra.base_url}/api/events", data=body, headers=headers).ok
    expect(send.locator(".tick")).to_have_text("✓")


def test_an_alert_is_made_with_the_channel_it_tells(admin: Page, quadra: QuadraProcess) -> None:
    admin.goto(f"{quadra.base_url}/settings/channels")
    admin.get_by_label("Kind").select_option("webhook")
    admin.get_by_label("Address").fill("nowhere")
    admin.get_by_role("button", name="Make the channel").click()
    expect(admin.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    admin.get_by_label("Address").fill("http://127.0.0.1:1/hook")
    admin.get_by_label("Name").fill("Nobody listens")
    admin.get_by_role("button", name="Make the channel").click()
    assert kept(admin).startswith("whs_")
    admin.get_by_role("button", name="Test Nobody listens").click()
    expect(admin.locator("#said")).to_contain_text("cannot be reached")

    admin.goto(f"{quadra.base_url}/settings/alerts")
    admin.get_by_label("Name").fill("Silence")
    admin.get_by_label("Minutes without an event").fill("0")
    admin.get_by_role("button", name="Make the alert").click()
    expect(admin.get_by_label("Minutes without an event")).to_have_attribute("aria-invalid", "true")
    admin.get_by_label("Minutes without an event").fill("5")
    admin.get_by_role("button", name="Make the alert").click()
    expect(admin.locator("#rows")).to_contain_text("no event for 5 min")
    expect(admin.locator("#rows")).to_contain_text("Nobody listens")
    admin.get_by_role("button", name="Add the usual ones").click()
    expect(admin.locator("#rows tr")).to_have_count(8)
    admin.get_by_role("button", name="History of Silence").click()
    expect(admin.locator("#firings")).to_contain_text("It has not fired yet.")
    admin.get_by_role("button", name="Mute for an hour: Silence").click()
    expect(admin.locator("#rows")).to_contain_text("muted until")
    fits(admin)


def test_a_person_is_erased_and_what_a_retention_takes_is_told_before(admin: Page, quadra: QuadraProcess) -> None:
    old = {"eventType": "hello", "userId": "ada", "eventId": "old", "timestamp": "2020-01-02T00:00:00Z"}
    headers = {"X-Quadra-Key": quadra.init["write_key"], "Content-Type": "application/json"}
    assert admin.request.post(f"{quadra.base_url}/api/events", data=json.dumps(old), headers=headers).ok
    admin.goto(f"{quadra.base_url}/settings/data")
    expect(admin.locator("#kept")).to_have_text("For ever.")
    admin.get_by_label("another number of days").fill("30")
    admin.get_by_role("button", name="Look").click()
    expect(admin.locator("#goes")).to_contain_text("1 event from 2020-01-02")
    admin.get_by_label("Id of the person").fill("ada")
    admin.keyboard.press("Enter")
    admin.locator("#confirm").get_by_role("button", name="Erase").click()
    expect(admin.locator("#rows tr")).to_contain_text("ada")
    expect(admin.locator("#rows tr")).to_contain_text("done")
    admin.get_by_role("button", name="Look").click()
    expect(admin.locator("#goes")).to_contain_text("nothing goes")


def test_a_worker_makes_a_file_of_events_which_is_downloaded_and_deleted_by_keyboard(
    admin: Page, quadra: QuadraProcess
) -> None:
    event = {"eventType": "bought", "eventId": "export", "properties": {"plan": "pro"}}
    headers = {"X-Quadra-Key": quadra.init["write_key"], "Content-Type": "application/json"}
    assert admin.request.post(f"{quadra.base_url}/api/events", data=json.dumps(event), headers=headers).ok
    admin.goto(f"{quadra.base_url}/settings/data")
    expect(admin.locator("#exports")).to_contain_text("None.")
    admin.get_by_label(re.compile("^As")).select_option("ndjson")
    admin.get_by_label("Only where a property").fill("plan")
    admin.get_by_label("has this value").fill("pro")
    admin.keyboard.press("Enter")
    download = admin.locator("#exports").get_by_role("link", name="Download")
    expect(download).to_be_visible()
    fits(admin)
    with admin.expect_download() as taken:
        download.press("Enter")
    assert [json.loads(line)["event_name"] for line in taken.value.path().read_text().splitlines()] == ["bought"]
    admin.locator("#exports").get_by_role("button", name="Delete").press("Enter")
    admin.locator("#confirm").get_by_role("button", name="Delete it").press("Enter")
    expect(admin.locator("#exports")).to_contain_text("None.")
