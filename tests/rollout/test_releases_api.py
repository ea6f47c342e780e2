"""What a web process tells of releases and takes for the watcher, which is a fake here: the test holds its lock."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from quadra.core.durable import write_whole
from quadra.rollout import requests
from quadra.rollout.place import Place
from quadra.rollout.records import Act, Deployment, Kept, State, Step, note, save_state
from tests.clients import Answer, connected, make_key, make_project, send
from tests.dashboard.looks import fits
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

START = "2026-11-30T00:00:00Z"


class Site:
    def __init__(self, quadra: QuadraProcess, place: Place):
        self.quadra, self.place = quadra, place

    def ask(self, path: str, body: Any = None, key: str = "", **more: Any) -> Answer:
        authorization = f"Bearer {key or self.quadra.init['admin_key']}"
        method = "GET" if body is None else "POST"
        return send(self.quadra, path, body, key=None, method=method, Authorization=authorization, **more)

    def trigger(self, **body: Any) -> Answer:
        return self.ask("/api/deployment/trigger", body)


@pytest.fixture(scope="module")
def site(keeper: Keeper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = Place(tmp_path_factory.mktemp("rollout"))
    place.make()
    write_whole(
        place.plan, json.dumps({"public_port": 8080, "replicas": 1, "workers": 0, "balancer": "nginx"}).encode()
    )
    for name in ("one", "two"):
        place.program(name).parent.mkdir(parents=True)
        place.program(name).touch()
    for number, status in enumerate(("completed", "failed", "rolled_back", "completed")):
        made = Deployment(id=f"d{number}", release="one", previous=None, trigger="cli", started_at=START)
        note(place, deployment=made)
        made.status, made.ended_at, made.steps = status, START, [Step("check", 0.5)]  # type: ignore[assignment]
        note(place, deployment=made)
    for number, outcome in enumerate(("succeeded", "succeeded", "given_up")):
        act = Act(f"a{number}", START, "restart", "web-1", "one", outcome, "web-1 ended.", {"attempts": 1}, number, 7)
        note(place, act=act)
    kept = Kept("web-1", "web", 1, 1.0, START, "one", state="given_up")
    save_state(place, State(release="one", serving="d3", processes=[kept]))
    with closing(
        QuadraProcess(keeper, {"QUADRA_ROLLOUT_DIR": str(place.root), "QUADRA_SELF_OBSERVE": "false"})
    ) as quadra:
        yield Site(quadra, place)


@pytest.fixture
def watched(site: Site) -> Iterator[None]:
    with site.place.lock.open("w+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        yield
    for path in site.place.requests.glob("*.json"):
        path.unlink()


@pytest.mark.usefixtures("watched")
def test_history_is_told_newest_first_with_what_can_be_deployed(site: Site) -> None:
    told = site.ask("/api/deployment/history").json
    assert [one["id"] for one in told["deployments"]] == ["d3", "d2", "d1", "d0"]
    assert told["deployments"][1]["steps"] == [{"name": "check", "seconds": 0.5}]
    assert [one["id"] for one in told["acts"]] == ["a2", "a1", "a0"]
    assert (told["release"], told["watcher_pid"], sorted(told["releases"])) == ("one", 4711, ["one", "two"])


def test_status_and_metrics_count_what_failed_or_was_rolled_back(site: Site) -> None:
    told = site.ask("/status", Accept="application/json").json["deployment"]
    assert (told["current"], told["status"], told["recovery_attempts"]) == ("one", "managed", 3)
    assert (told["total"], told["successful"], told["failed"]) == (4, 2, 2)
    text = site.ask("/metrics").body.decode()
    for line in (
        'quadra_matrix_deployments_total{status="completed"} 2.0',
        'quadra_matrix_deployments_total{status="rolled_back"} 1.0',
        'quadra_matrix_recovery_actions_total{action="restart",outcome="succeeded"} 2.0',
        "quadra_matrix_recovery_given_up 1.0",
    ):
        assert line in text


@pytest.mark.usefixtures("watched")
def test_a_deployment_is_asked_for_once_and_kept_for_the_watcher(site: Site) -> None:
    made = site.trigger(image_tag="two", environment="production")
    assert (made.status, made.json["status"]) == (202, "running")
    again = site.trigger(image_tag="two")
    assert (again.status, again.code) == (409, "conflict")
    taken = requests.take(site.place)
    assert taken is not None
    assert (taken.id, taken.release, taken.trigger) == (made.json["deployment_id"], "two", "api")
    assert taken.environment == "production"


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("name", ["three", "../one", "one/../two", ""])
def test_what_is_no_release_is_named_and_nothing_is_asked_for(site: Site, name: str) -> None:
    refused = site.trigger(image_tag=name)
    assert refused.status == 400
    assert set(refused.json["error"]["fields"]) == {"image_tag"}
    assert requests.waiting(site.place) == []


def test_where_nobody_watches_nothing_is_taken(site: Site) -> None:
    refused = site.trigger(image_tag="two")
    assert refused.status == 503
    assert "quadra rollout watch" in refused.json["error"]["message"]


def test_only_admins_of_the_installation_may_ask_or_look(site: Site) -> None:
    other = make_project(site.quadra)["slug"]
    for key in (make_key(site.quadra, "read")["key"], make_key(site.quadra, "admin", other)["key"]):
        assert site.ask("/api/deployment/history", key=key).status == 403
        assert site.ask("/api/deployment/trigger", {"image_tag": "two"}, key=key).status == 403
    assert send(site.quadra, "/api/deployment/history", method="GET", key=None).status == 401


def test_who_watches_the_installation_hears_of_a_change(site: Site) -> None:
    names = ("deployment:update",)
    with connected(site.quadra, auth={"key": site.quadra.init["admin_key"]}, namespace="/live", names=names) as client:
        number = 0

        def heard() -> bool:
            nonlocal number
            number += 1
            if (
                not client.payloads("deployment:update") and number % 50 == 1
            ):  # what was before its first look is no news
                note(site.place, deployment=Deployment(f"e{number}", "two", "one", "api", START, status="failed"))
            return bool(client.payloads("deployment:update"))

        client.wait_for(heard)
        told = client.payloads("deployment:update")[0]
    assert (told["release"], told["status"]) == ("one", "managed")
    assert told["total"] > 4


def log_in(page: Page, quadra: QuadraProcess, email: str, password: str) -> None:
    page.goto(f"{quadra.base_url}/login?next=/releases")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    page.click("main button[type=submit], form button[type=submit]")
    page.wait_for_url("**/releases*")


@pytest.mark.usefixtures("watched")
def test_an_admin_sees_what_happened_and_deploys_after_being_asked(site: Site, browser: Browser) -> None:
    problems: list[str] = []
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        log_in(page, site.quadra, site.quadra.init["admin_email"], site.quadra.init["admin_password"])
        expect(page.locator("#deployments tbody tr")).not_to_have_count(0)
        expect(page.locator("#deployments")).to_contain_text("rolled back")
        expect(page.locator("#acts")).to_contain_text("given up")
        fits(page)
        page.locator("#deploy select").select_option("two")
        page.locator("#deploy button").click()
        page.get_by_role("button", name="Deploy it").click()
        expect(page.get_by_text("two is being deployed.")).to_be_visible()
        assert len(requests.waiting(site.place)) == 1
        # the line tells of what happens next, and the page asks again
        note(site.place, deployment=Deployment("f1", "two", "one", "api", START, status="failed", reason="A gate."))
        expect(page.locator("#deployments")).to_contain_text("A gate.")
    assert problems == []


def test_a_viewer_is_told_whom_to_ask(site: Site, browser: Browser) -> None:
    made = json.loads(site.quadra.run("user", "create", "viewer@example.com", "--generate", "--json").stdout)
    with browser.new_context() as context:
        page = context.new_page()
        log_in(page, site.quadra, "viewer@example.com", made["password"])
        expect(page.get_by_text("Only admins can see releases")).to_be_visible()
        expect(page.locator("#releases")).to_have_count(0)
