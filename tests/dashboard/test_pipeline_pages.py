"""Insights and the pipeline as people meet them: a real Quadra with its worker, a real browser."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from quadra.accounts.tables import Project as ProjectRow
from quadra.core import clock
from quadra.core.database import Database
from quadra.ingest.tables import Batch
from quadra.insights.tables import Breaker, Insight
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import Job
from tests.clients import database_of, make_project
from tests.dashboard.looks import fits
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

FULL = 5
"""Events of a batch here."""
HOSTILE = "<img src=x onerror=document.title='taken'>"


@dataclass(frozen=True)
class Project:
    quadra: QuadraProcess
    database: Database
    slug: str
    write_key: str

    def at(self, path: str, **more: str) -> str:
        return f"{self.quadra.base_url}{path}?" + "&".join(
            f"{k}={v}" for k, v in {"project": self.slug, **more}.items()
        )

    def send(self, count: int = FULL, event_type: str = "clicked") -> None:
        """Events; FULL of them seal a batch, which is analysed at once."""
        request = urllib.request.Request(
            f"{self.quadra.base_url}/api/events",
            json.dumps({"events": [{"eventType": event_type, "userId": f"u{n}"} for n in range(count)]}).encode(),
            {"Content-Type": "application/json", "X-Quadra-Key": self.write_key},
        )
        with urllib.request.urlopen(request, timeout=90) as answer:
            assert json.load(answer)["stored"] == count

    def analysed_batch(self) -> str:
        self.send()
        found: list[str] = []

        def look() -> bool:
            with self.database.read() as session:
                mine = sa.select(Batch.id).join(ProjectRow, ProjectRow.id == Batch.project_id)
                query = mine.where(ProjectRow.slug == self.slug, Batch.status == "ANALYZED")
                found[:] = session.scalars(query.order_by(Batch.opened_at.desc()))
            return bool(found)

        eventually(look)
        return found[0]

    def dead_letter(self, message: str = "The provider hung up.", kind: str = "analyse") -> str:
        """A job of an analysed batch that was given up; its id."""
        batch_id = self.analysed_batch()
        history = [
            {
                "attempt": number,
                "at": clock.iso(clock.now()),
                "worker": "vm:1:a",
                "error_type": "ProviderError",
                "message": message,
                "traceback": f"Traceback of attempt {number}",
                "seconds": 0.2,
            }
            for number in range(1, 6)
        ]
        values = {
            "state": "FAILED",
            "attempt": 5,
            "unique_key": None,
            "finished_at": clock.now(),
            "last_error": message,
        }
        with self.database.begin() as session:
            # not to be claimed between these two statements: they are one transaction
            job = self._job(session, kind, batch_id)
            session.execute(sa.update(Job).where(Job.id == job).values(error_context=history, **values))
        return job

    def waiting_analysis(self, batch_id: str) -> None:
        """An analysis of the batch that waits for its next attempt."""
        with self.database.begin() as session:
            job = self._job(session, "analyse", batch_id)
            later = clock.now() + timedelta(hours=1)
            session.execute(sa.update(Job).where(Job.id == job).values(available_at=later))

    def insight(self, summary: str, **more: Any) -> None:
        batch_id = self.analysed_batch()
        with self.database.begin() as session:
            batch = session.get_one(Batch, batch_id)
            values = {"analyst": "llm", "model": "a-model", "confidence": 0.7, "event_count": FULL, **more}
            session.add(Insight(project_id=batch.project_id, batch_id=batch_id, summary=summary, **values))

    def _job(self, session: Any, kind: str, batch_id: str) -> str:
        project_id = session.get_one(Batch, batch_id).project_id
        return enqueue(session, kind=kind, max_attempts=5, project_id=project_id, batch_id=batch_id).id


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, {"QUADRA_BATCH_MAX_EVENTS": str(FULL)})) as process:
        yield process


@pytest.fixture(scope="module")
def database(quadra: QuadraProcess) -> Iterator[Database]:
    with database_of(quadra) as database:
        yield database


@pytest.fixture
def project(quadra: QuadraProcess, database: Database) -> Project:
    """A project without a single event."""
    made = make_project(quadra)
    return Project(quadra, database, made["slug"], made["write"])


def log_in(browser: Browser, quadra: QuadraProcess, email: str, password: str) -> Any:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{quadra.base_url}/login")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(re.compile("/overview"))
        return context.storage_state()


@pytest.fixture(scope="module")
def admin(browser: Browser, quadra: QuadraProcess) -> Any:
    return log_in(browser, quadra, quadra.init["admin_email"], quadra.init["admin_password"])


@pytest.fixture(scope="module")
def viewer(browser: Browser, quadra: QuadraProcess) -> Any:
    made = json.loads(quadra.run("user", "create", "viewer@quadra.local", "--generate", "--json").stdout)
    return log_in(browser, quadra, "viewer@quadra.local", made["password"])


@pytest.fixture
def open_context(browser: Browser, admin: Any) -> Iterator[Callable[..., BrowserContext]]:
    contexts = []

    def new(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(**{"storage_state": admin, **options}))
        return contexts[-1]

    yield new
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    return open_context().new_page()


def live(page: Page) -> None:
    expect(page.locator("#connection")).to_contain_text("live")


def insights(page: Page) -> Locator:
    return page.locator("#insights [data-rows] > li:not(.loading)")


def batches(page: Page) -> Locator:
    return page.locator("#panel-batches [data-rows] > tr:not(.loading)")


def jobs(page: Page) -> Locator:
    return page.locator("#panel-jobs [data-rows] > tr:not(.loading)")


def letters(page: Page) -> Locator:
    return page.locator("#panel-dead-letters [data-rows] > li:not(.loading)")


def test_an_insight_appears_by_itself_moments_after_its_batch_is_full(page: Page, project: Project) -> None:
    page.goto(project.at("/insights"))
    live(page)
    expect(page.locator("#insights [data-nothing]")).to_contain_text("No insights yet")
    project.send()
    expect(insights(page)).to_have_count(1)
    expect(insights(page)).to_contain_text("The first batch")
    expect(insights(page)).to_contain_text("local analyst")
    expect(page.locator("#insights [data-nothing]")).to_be_hidden()


def test_the_live_page_shows_the_newest_insights_and_whether_quadra_is_well(page: Page, project: Project) -> None:
    project.send(1)
    page.goto(project.at("/live"))
    expect(page.locator("#noticed-nothing")).to_contain_text("No insights yet")
    for number in range(4):
        project.send(FULL - 1 if number == 0 else FULL, f"kind_{number}")
    expect(page.locator("#noticed li.insight")).to_have_count(3)
    expect(page.locator("#signs")).to_contain_text("oldest job")
    expect(page.locator("#signs")).to_contain_text("dead letters")


def test_quiet_batches_can_be_hidden_and_the_address_remembers_it(page: Page, project: Project) -> None:
    project.insight("Buyers come from one campaign.", patterns=["Buyers come from one campaign."])
    page.goto(project.at("/insights"))
    expect(insights(page)).to_have_count(2)
    page.get_by_label("Only findings").check()
    expect(insights(page)).to_have_count(1)
    expect(insights(page)).to_contain_text("LLM a-model")
    page.reload()
    expect(insights(page)).to_have_count(1)
    page.get_by_label("Only findings").uncheck()
    expect(insights(page)).to_have_count(2)
    page.get_by_label("Analyst").select_option("local")
    expect(insights(page)).to_have_count(1)
    expect(insights(page)).to_contain_text("local analyst")
    page.go_back()
    expect(insights(page)).to_have_count(2)


def test_an_insight_shows_its_evidence_as_numbers_and_leads_to_its_batch(page: Page, project: Project) -> None:
    finding = {
        "kind": "place.failing",
        "severity": "warning",
        "confidence": 0.92,
        "text": "Errors on /checkout rose from 0.2 % to 3.9 %.",
        "numbers": {"name": "/checkout", "share": 0.039, "before": 0.002, "failed": 39, "of": 1000},
    }
    project.insight(
        "Errors on /checkout rose.",
        patterns=[finding["text"]],
        evidence={"findings": [finding]},
        recommendations=["Try it."],
    )
    page.goto(project.at("/insights", findings="1"))
    row = insights(page)
    expect(row).to_contain_text("Something is wrong")
    row.get_by_text("Evidence").click()
    expect(row.locator("dl")).to_contain_text("Share now3.9 %Share before0.2 %Failed39Out of1,000")
    expect(row).to_contain_text("What to doTry it.")
    row.get_by_role("link", name="batch").click()
    expect(page).to_have_url(re.compile(r"/pipeline/batches\?project=.*&batch="))
    expect(page.locator("#batch")).to_contain_text("2 insights")


def test_a_list_waits_while_it_is_pointed_at(page: Page, project: Project) -> None:
    project.analysed_batch()
    page.goto(project.at("/insights"))
    live(page)
    insights(page).first.hover()
    project.send()
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    expect(insights(page)).to_have_count(1)
    page.mouse.move(1, 1)
    expect(insights(page)).to_have_count(2)


def test_a_reader_further_down_is_not_moved_and_can_ask_for_what_is_new(page: Page, project: Project) -> None:
    for _ in range(16):
        project.send()
    page.goto(project.at("/pipeline/batches"))
    expect(batches(page)).to_have_count(16)
    live(page)
    batches(page).last.scroll_into_view_if_needed()
    project.send()
    new = page.locator("#panel-batches").get_by_role("button", name="1 new")
    expect(new).to_be_in_viewport()
    expect(batches(page)).to_have_count(16)
    new.click()
    expect(batches(page)).to_have_count(17)
    expect(batches(page).first).to_be_in_viewport()


def test_a_batch_moves_through_its_states_before_the_reader(page: Page, project: Project) -> None:
    page.goto(project.at("/pipeline"))
    live(page)
    expect(page.locator("#panel-batches [data-nothing]")).to_contain_text("No batch of this project yet")
    project.send(2)
    expect(batches(page)).to_contain_text("OPEN")
    batches(page).get_by_role("button", name="Seal").click()
    expect(page.get_by_role("status").filter(has_text="is sealed")).to_be_visible()
    expect(batches(page)).to_contain_text("ANALYZED")
    expect(batches(page)).to_contain_text("SUCCESS")
    expect(batches(page)).to_have_count(1)


def test_a_refused_order_is_told_in_a_sentence(page: Page, project: Project) -> None:
    batch_id = project.analysed_batch()
    page.goto(project.at("/pipeline"))
    project.waiting_analysis(batch_id)
    batches(page).get_by_role("button", name="Analyse again").click()
    expect(page.locator("#said")).to_contain_text("is being analysed already: its job is PENDING")
    page.locator("#said").get_by_role("button", name="Close").click()
    expect(page.locator("#said")).to_be_empty()


def test_a_dead_letter_tells_everything_and_is_requeued_after_a_yes(page: Page, project: Project) -> None:
    job = project.dead_letter()
    page.goto(project.at("/pipeline/dead-letters"))
    live(page)
    expect(letters(page)).to_contain_text("The provider hung up.")
    letters(page).get_by_text("5 failed attempts").click()
    with project.database.begin() as session:  # heard of as a job: what is unfolded stays so
        session.execute(sa.update(Job).where(Job.id == job).values(updated_at=clock.now()))
    page.wait_for_timeout(600)
    letters(page).get_by_text("Traceback", exact=True).nth(2).click()
    expect(letters(page).get_by_text("Traceback of attempt 3")).to_be_visible()

    letters(page).get_by_role("button", name="Requeue").click()
    dialog = page.get_by_role("dialog", name="Run this job again?")
    expect(dialog).to_contain_text("5 attempts")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(letters(page)).to_have_count(1)

    letters(page).get_by_role("button", name="Requeue").click()
    dialog.get_by_role("button", name="Requeue").click()
    expect(page.get_by_role("status").filter(has_text="is in the queue again")).to_be_visible()
    page.get_by_role("link", name="Follow it").click()  # at once: what went well is said for ten seconds
    expect(page).to_have_url(re.compile("/pipeline/jobs"))
    expect(jobs(page).filter(has_text="by hand")).to_contain_text("SUCCESS")
    page.get_by_role("tab", name="Dead letters").click()
    expect(letters(page)).to_have_count(0)


def test_a_dead_letter_is_discarded_after_a_yes(page: Page, project: Project) -> None:
    job = project.dead_letter()
    page.goto(project.at("/pipeline/dead-letters"))
    letter = page.locator(f"#panel-dead-letters [data-key='{job}']")
    letter.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog", name="Discard this job?").get_by_role("button", name="Discard").click()
    expect(page.locator("#said")).to_contain_text("is discarded")
    expect(letter).to_have_count(0)
    with project.database.read() as session:
        assert session.get_one(Job, job).state == "DISCARDED"


def test_a_letter_that_somebody_else_decided_on_is_told_in_a_sentence(page: Page, project: Project) -> None:
    job = project.dead_letter()
    page.goto(project.at("/pipeline/dead-letters"))
    page.locator(f"#panel-dead-letters [data-key='{job}']").get_by_role("button", name="Discard").click()
    with project.database.begin() as session:
        session.execute(sa.update(Job).where(Job.id == job).values(state="DISCARDED"))
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator("#said")).to_contain_text("the job is no longer a dead letter")


def test_a_viewer_sees_everything_and_no_button_that_acts(
    open_context: Callable[..., BrowserContext], viewer: Any, project: Project
) -> None:
    job = project.dead_letter()
    page = open_context(storage_state=viewer).new_page()
    page.goto(project.at("/pipeline"))
    expect(batches(page)).to_have_count(1)
    page.get_by_role("tab", name="Dead letters").click()
    expect(page.locator(f"#panel-dead-letters [data-key='{job}']")).to_contain_text("The provider hung up.")
    expect(page.get_by_role("button", name=re.compile("Seal|Analyse|Requeue|Discard"))).to_have_count(0)
    assert page.locator("dialog").count() == 0


def test_tabs_and_filters_have_addresses_and_obey_the_keyboard(page: Page, project: Project) -> None:
    job = project.dead_letter()
    page.goto(project.at("/pipeline"))
    page.get_by_role("tab", name="Batches").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Jobs")).to_be_focused()
    expect(page).to_have_url(re.compile("/pipeline/jobs"))
    expect(page.get_by_role("tabpanel")).to_have_attribute("id", "panel-jobs")
    page.locator("#panel-jobs select[name=status]").select_option("FAILED")
    expect(page.locator(f"#panel-jobs [data-key='{job}']")).to_be_visible()
    expect(jobs(page).filter(has_text="SUCCESS")).to_have_count(0)
    page.reload()
    expect(page.locator("#panel-jobs select[name=status]")).to_have_value("FAILED")
    expect(page.locator(f"#panel-jobs [data-key='{job}']")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_role("tabpanel")).to_have_attribute("id", "panel-batches")
    page.get_by_role("tab", name="Batches").focus()
    page.keyboard.press("End")
    expect(page).to_have_url(re.compile("/pipeline/dead-letters"))


@pytest.mark.parametrize(
    ("state", "meaning"),
    [("CLOSED", "Calls go through"), ("OPEN", "Calls pause until"), ("HALF_OPEN", "One trial call")],
)
def test_a_breaker_says_in_words_how_it_is(page: Page, project: Project, state: str, meaning: str) -> None:
    with project.database.begin() as session:
        session.merge(Breaker(name="llm", state=state, failure_count=5))
    page.goto(project.at("/pipeline"))
    expect(page.locator("#breakers")).to_contain_text(f"llm is {state}, 5 failures in a row")
    expect(page.locator("#breakers")).to_contain_text(meaning)
    expect(page.locator("#breakers time")).to_be_visible()
    project.send(1)
    page.goto(project.at("/live"))
    expect(page.locator("#signs")).to_contain_text(f"breaker llm {state}")


def test_what_the_server_cannot_answer_is_said_and_asked_again(page: Page, project: Project) -> None:
    project.analysed_batch()
    error = {"error": {"code": "unavailable", "message": "The database does not answer; try again.", "fields": {}}}
    page.route("**/api/insights*", lambda route: route.fulfill(status=503, json=error))
    page.goto(project.at("/insights"))
    expect(page.get_by_role("alert")).to_contain_text("The database does not answer; try again.")
    page.unroute("**/api/insights*")
    expect(insights(page)).to_have_count(1)
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 1440])
def test_long_and_hostile_texts_stay_text_and_inside_the_window(
    open_context: Callable[..., BrowserContext], project: Project, width: int, scheme: Any
) -> None:
    long = HOSTILE + "Supercalifragilisticexpialidocious" * 8
    project.dead_letter(long)
    project.insight(
        long, patterns=[long], recommendations=[long], model="m" * 200, evidence={"asked_about": {"x": long}}
    )
    page = open_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for path, row in (
        ("/insights", insights),
        ("/pipeline/batches", batches),
        ("/pipeline/jobs", jobs),
        ("/pipeline/dead-letters", letters),
        ("/live", lambda page: page.locator("#noticed li.insight")),
    ):
        page.goto(project.at(path))
        row(page).first.wait_for()
        page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        fits(page)
        assert page.title() != "taken"
    assert said == []
