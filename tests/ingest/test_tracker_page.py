"""The tracker on a page of somebody else, in a real browser: each of its options, and what it leaves on the device."""

from __future__ import annotations

import gzip
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from quadra.ingest import tracker
from tests.ingest.real import Project, new_project
from tests.servers.quadra import QuadraProcess
from tests.site import served
from tests.waiting import eventually

PAGE = (Path(__file__).parent / "samples" / "tracker.html").read_text()
STORED = "Object.entries(localStorage).map(([name, value]) => name + value).join()"

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "tracker.md").read_text()
SENT = "!Object.keys(localStorage).some((name) => name.endsWith('queue'))"


@pytest.fixture
def project(quadra: QuadraProcess) -> Project:
    return new_project(quadra)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="de-AT", viewport={"width": 1000, "height": 700}) as context:
        yield context


def page_of(project: Project, options: str = "") -> str:
    return PAGE.replace("BASE", project.quadra.base_url).replace("KEY", project.write_key).replace("OPTIONS", options)


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.wait_for_function("window.quadra.ask && document.querySelector('script[src*=more]')")
    page.wait_for_function(SENT)
    return page


def names(project: Project) -> list[str]:
    return sorted(event["name"] for event in project.events())


def one(project: Project, name: str) -> dict[str, Any]:
    (found,) = [event for event in project.events() if event["name"] == name]
    return found


OF_EACH_OPTION = {
    *("buy", "download", "early", "engagement", "error", "form_submit"),
    *("identify", "order", "outbound_click", "subscribe", "web_vital"),
}


def test_each_option_on_one_page(context: BrowserContext, project: Project) -> None:
    with served(page_of(project)) as site:
        page = opened(context, f"{site}/shop?id=7&x=1&utm_source=news")
        page.get_by_role("button", name="Buy").click()
        for place in ("#out", "#file", "#contact button", "#marked button"):
            page.locator(place).click()
        page.evaluate("history.pushState({}, '', '/shop/b')")
        page.wait_for_timeout(150)
        page.evaluate("location.hash = '#/orders'")
        page.wait_for_timeout(150)
        page.evaluate("history.pushState({}, '', '/private/x'); quadra('secret')")
        page.wait_for_timeout(150)
        page.evaluate("history.pushState({}, '', '/shop/b#/orders')")
        page.evaluate("for (let n = 0; n < 3; n += 1) setTimeout(() => { throw new TypeError('broken') })")
        page.evaluate("quadra.feature('export', 'completed'); quadra.funnel('signup', 'started', 1)")
        page.evaluate("quadra.revenue(19.5, 'EUR', 'order', { items: 2 }); quadra.identify('ada', { plan: 'pro' })")
        assert page.evaluate("quadra.ask({ type: 'csat', question: 'How was it?' })") is True
        asked = page.get_by_role("dialog", name="How was it?")
        expect(asked).to_be_visible()
        asked.get_by_text("4", exact=True).click()
        asked.get_by_role("textbox").fill("good")
        asked.get_by_role("button", name="Send").click()
        expect(asked.get_by_role("status")).to_have_text("Thank you.")
        page.keyboard.press("Escape")
        expect(asked).to_have_count(0)
        page.locator("#slow").click()
        page.wait_for_function("window.interacted")
        page.evaluate("move()")
        page.wait_for_function("window.shifted")
        page.mouse.wheel(0, 1500)
        page.wait_for_function("scrollY > 0")
        page.wait_for_timeout(1100)
        stored = page.evaluate(STORED)
        page.goto("about:blank")
        eventually(lambda: set(names(project)) >= OF_EACH_OPTION)
        eventually(lambda: names(project).count("web_vital") == 3 and names(project).count("error") == 2)
    assert not any(word in stored for word in ("anonymous", "session", "user"))
    found = project.events()
    views = {event["page_url"][len(site) :]: event for event in found if event["kind"] == "page"}
    assert set(views) == {"/shop?id=7&x=1&utm_source=news", "/shop/b", "/shop/b#/orders"}
    first = views["/shop?id=7&x=1&utm_source=news"]
    assert [first[name] for name in ("page_query", "language", "screen", "page_title")] == [
        *("id=7", "de-AT", "1000x700", "Each option of the tracker"),
    ]
    assert first["user_id"].startswith("visitor-")
    kept = {event["name"]: event for event in found}
    assert "secret" not in kept
    assert kept["buy"]["properties"] == {"sku": "A1", "unit_price": "9"}
    assert kept["subscribe"]["properties"] == {"list": "news"}
    assert kept["form_submit"]["properties"]["id"] == "contact"
    assert kept["outbound_click"]["properties"]["host"] == "other.example"
    assert kept["download"]["properties"]["url"] == f"{site}/report.pdf"
    assert (kept["order"]["value"], kept["order"]["properties"]["currency"]) == (19.5, "EUR")
    kinds = {event["kind"]: event for event in found}
    assert kinds["feature"]["fields"]["action"] == "completed"
    assert kinds["funnel"]["fields"]["stage"] == "started"
    assert (kinds["survey"]["value"], kinds["survey"]["fields"]["response"]) == (4, "good")
    broken = [event for event in found if event["kind"] == "error"]
    assert {event["fields"]["error_type"] for event in broken} == {"TypeError"}
    assert sorted(str((event["properties"] or {}).get("repeated")) for event in broken) == ["2", "None"]
    measured = {event["fields"]["metric_name"]: event["value"] for event in found if event["kind"] == "metric"}
    assert set(measured) == {"LCP", "INP", "CLS"}
    assert measured["INP"] >= 80, "so long the click was held up"
    assert 0 < measured["CLS"] < 5
    left = [event for event in found if event["name"] == "engagement"]
    assert max(event["properties"]["scroll_depth"] for event in left) > 50
    assert sum(event["duration_ms"] for event in left) >= 1000
    assert (kept["identify"]["user_id"], kept["identify"]["anonymous_id"]) == ("ada", None)


def test_who_agrees_gets_an_id_that_lasts_and_who_takes_it_back_has_none(
    context: BrowserContext, project: Project
) -> None:
    with served(page_of(project)) as site:
        page = opened(context, f"{site}/a")
        page.evaluate("quadra.consent(true); quadra.identify('ada'); quadra('agreed')")
        page = opened(context, f"{site}/b")
        page.evaluate("quadra('again')")
        lasting = page.evaluate(STORED)
        page.evaluate("quadra.consent(false); quadra('nobody')")
        page.wait_for_function(SENT)
        assert not any(word in page.evaluate(STORED) for word in ("anonymous", "session", "user"))
        eventually(lambda: {"agreed", "again", "nobody"} <= set(names(project)))
    agreed, again, nobody = (one(project, name) for name in ("agreed", "again", "nobody"))
    assert agreed["user_id"] == again["user_id"] == "ada"
    assert agreed["anonymous_id"] == again["anonymous_id"]
    assert agreed["anonymous_id"] in lasting
    assert (nobody["user_id"], nobody["user_id"][:8]) == (nobody["anonymous_id"], "visitor-")


def test_what_waited_on_a_page_that_was_closed_offline_comes_the_next_day(
    context: BrowserContext, project: Project
) -> None:
    with served(page_of(project)) as site:
        page = opened(context, f"{site}/a")
        context.set_offline(True)
        page.evaluate("for (let n = 0; n < 30; n += 1) quadra('offline', { n })")
        page.close()
        context.set_offline(False)
        yesterday = "const all = JSON.parse(localStorage[name]); all.forEach((one) => { one.timestamp -= 864e5 })"
        blank = context.new_page()
        blank.route("**/q*.js", lambda route: route.abort())
        blank.goto(f"{site}/a")
        found = blank.evaluate(
            f"(() => {{ const name = Object.keys(localStorage).find((one) => /queue/.test(one)); {yesterday};"
            " localStorage[name] = JSON.stringify(all); return all.length })()"
        )
        assert found >= 30
        blank.close()
        opened(context, f"{site}/a")
        eventually(lambda: names(project).count("offline") == 30)
        offline = [event for event in project.events("--since", "2d") if event["name"] == "offline"]
        assert sorted(event["properties"]["n"] for event in offline) == list(range(30))


def test_a_reader_who_asked_not_to_be_tracked_and_a_page_on_localhost_are_left_alone(
    context: BrowserContext, project: Project
) -> None:
    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { get: () => true })")
    with served(page_of(project, "data-respect-dnt")) as site:
        page = opened(context, f"{site}/a")
        page.evaluate("quadra('secret')")
        page.wait_for_function(SENT)
    with served(page_of(project).replace('"/private/**"', '"localhost"')) as site:
        page = opened(context, f"{site}/a")
        page.evaluate("quadra('secret')")
        page.wait_for_function(SENT)
    asked_for = (
        page_of(project)
        .replace("data-key=", "data-domain=")
        .replace('data-track="all"', f'data-track="all" data-api="{project.quadra.base_url}/api/events?own=1"')
    )
    with served(asked_for) as site:
        page = opened(context, f"{site}/a")
        with page.expect_request(lambda request: "own=1" in request.url):
            page.evaluate("quadra('own')")
        eventually(lambda: names(project)[-2:] == ["own", "page_view"])
    assert "secret" not in names(project)


def test_a_tag_from_elsewhere_counts_what_it_asks_for_and_no_page_by_itself(
    context: BrowserContext, project: Project
) -> None:
    base = project.quadra.base_url
    with urllib.request.urlopen(f"{base}/q.js", timeout=90) as answer:
        script = answer.read()
    elsewhere = (
        page_of(project, f'data-manual data-host="{base}" data-more="{base}/q-more.js?mine"')
        .replace(f'src="{base}/q.js"', 'src="/mine.js"')
        .replace("data-key=", "data-website-id=")
        .replace('data-track="all"', 'data-track="errors forms"')
    )
    with served(elsewhere, {"/mine.js": script}) as site:
        page = context.new_page()
        with page.expect_response("**/q-more.js?mine"):
            page.goto(f"{site}/a")
        page.wait_for_function("window.quadra.track && document.querySelector('script[src*=mine]')")
        page.locator("#file").click()
        page.locator("#contact button").click()
        page.evaluate("history.pushState({}, '', '/b')")
        page.evaluate("quadra.page()")
        page.goto("about:blank")
        eventually(lambda: {"page_view", "form_submit"} <= set(names(project)))
    assert names(project) == ["early", "form_submit", "page_view"]
    assert one(project, "page_view")["page_url"] == f"{site}/b"


def test_each_attribute_of_the_documents_table_is_driven_by_a_test_of_this_file() -> None:
    table = DOCUMENT.split("## Options of the tag")[1].split("\n\n**Under")[0]
    documented = set(re.findall(r"`(data-[a-z-]+)", table))
    used = PAGE + Path(__file__).read_text().split("def test_each_attribute")[0]
    assert documented
    assert {name for name in documented if not re.search(rf'{name}[= "]', used)} == set()


def test_a_path_of_ones_own_serves_the_tracker_and_takes_its_events(
    context: BrowserContext, quadra_process: Callable[..., QuadraProcess]
) -> None:
    paths = {"QUADRA_TRACKER_PATH": "/stats.js", "QUADRA_TRACKER_EVENTS_PATH": "/stats/in"}
    project = new_project(quadra_process(paths, command=("serve", "--no-worker")))
    own = (
        page_of(project)
        .replace("/q.js", "/stats.js")
        .replace('data-track="all"', f'data-api="{project.quadra.base_url}/stats/in"')
    )
    with served(own) as site:
        page = context.new_page()
        with page.expect_response("**/stats/in"):
            page.goto(f"{site}/a")
    assert names(project) == ["early", "page_view"]


@pytest.mark.parametrize(("path", "most"), [("/q.js", 3000), ("/q-more.js", 2000), ("/q-survey.js", 4000)])
def test_the_scripts_are_small_and_asked_for_only_once(quadra: QuadraProcess, path: str, most: int) -> None:
    script = tracker.script_of(tracker.PATHS[path])
    if script.parent != tracker.MADE:
        pytest.skip("The tracker was not minified here: no Node")
    with urllib.request.urlopen(f"{quadra.base_url}{path}", timeout=90) as answer:
        assert len(gzip.compress(answer.read())) < most
        etag = answer.headers["ETag"]
    again = urllib.request.Request(f"{quadra.base_url}{path}", headers={"If-None-Match": etag})
    with pytest.raises(urllib.error.HTTPError) as known:
        urllib.request.urlopen(again, timeout=90)
    known.value.close()
    assert known.value.code == 304


def test_a_script_that_was_changed_after_it_was_minified_is_served_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "min"
    made.mkdir()
    (tmp_path / "q.js").write_text("changed()")
    (made / "q.js").write_text("old()")
    (made / "q.sha256").write_text("0" * 64)
    monkeypatch.setattr(tracker, "STATIC", tmp_path)
    monkeypatch.setattr(tracker, "MADE", made)
    assert tracker.script_of.__wrapped__("q.js") == tmp_path / "q.js"
