"""Reports: when they are due, what they say, whom they reach, and how they end."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from quadra.accounts.projects import create_project
from quadra.alerts.handlers import HANDLERS
from quadra.alerts.reports import sending
from quadra.alerts.reports.blocks import blocks_of
from quadra.alerts.reports.content import Content, Part
from quadra.alerts.reports.rendering import render
from quadra.alerts.reports.tables import Report, ReportMail
from quadra.alerts.reports.timetable import last_until, next_after, period_before
from quadra.analytics.lens_list import AT_DOORS, LENSES
from quadra.analytics.questions.lens import Lens
from quadra.core import clock
from quadra.core.api.examples import example_of
from quadra.core.runtime import Runtime
from quadra.jobs.claim import claim
from quadra.jobs.run import Ended, Run
from tests.alerts.conftest import Asker, Receiver
from tests.insights.conftest import event, fill


@pytest.mark.parametrize(
    ("every", "at", "zone", "after", "due"),
    [
        ("day", "08:00", "UTC", "2026-03-01T07:59:59Z", "2026-03-01T08:00:00Z"),
        ("day", "08:00", "UTC", "2026-03-01T08:00:00Z", "2026-03-02T08:00:00Z"),
        ("day", "08:00", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T06:00:00Z"),  # the clocks went forward
        ("day", "08:00", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T07:00:00Z"),  # and back
        ("day", "02:30", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),  # there is no 02:30
        ("day", "02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),  # there are two, the first
        ("day", "02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),  # and once
        ("day", "09:00", "Pacific/Apia", "2011-12-29T19:00:00Z", "2011-12-30T19:00:00Z"),  # 30 December was skipped
        ("week", "06:15", "America/New_York", "2026-11-01T00:00:00Z", "2026-11-02T11:15:00Z"),
        ("week", "06:15", "America/New_York", "2026-11-02T11:15:00Z", "2026-11-09T11:15:00Z"),
        ("month", "00:00", "Asia/Kolkata", "2026-12-31T18:29:59Z", "2026-12-31T18:30:00Z"),
        ("month", "00:00", "Asia/Kolkata", "2026-12-31T18:30:00Z", "2027-01-31T18:30:00Z"),
    ],
)
def test_it_is_due_by_the_clocks_of_its_zone(every: str, at: str, zone: str, after: str, due: str) -> None:
    found = next_after(every, at, zone, "monday", datetime.fromisoformat(after))
    assert found == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("every", "week_start", "due", "first", "last"),
    [
        ("day", "monday", "2026-03-29T06:00:00Z", date(2026, 3, 28), date(2026, 3, 28)),
        ("week", "monday", "2026-03-30T06:00:00Z", date(2026, 3, 23), date(2026, 3, 29)),
        ("week", "sunday", "2026-03-29T06:00:00Z", date(2026, 3, 22), date(2026, 3, 28)),
        ("month", "monday", "2026-03-01T07:00:00Z", date(2026, 2, 1), date(2026, 2, 28)),
        ("month", "monday", "2026-02-28T23:30:00Z", date(2026, 2, 1), date(2026, 2, 28)),  # March has begun there
    ],
)
def test_it_is_about_the_whole_period_before(every: str, week_start: str, due: str, first: date, last: date) -> None:
    assert period_before(every, "Europe/Berlin", week_start, datetime.fromisoformat(due)) == (first, last)


def test_of_what_was_missed_only_the_newest_counts() -> None:
    due, now = datetime.fromisoformat("2026-03-01T08:00:00Z"), datetime.fromisoformat("2026-03-05T09:00:00Z")
    assert last_until("day", "08:00", "UTC", "monday", due, now) == datetime.fromisoformat("2026-03-05T08:00:00Z")


@pytest.mark.parametrize("lens", [*LENSES, *AT_DOORS], ids=lambda lens: lens.path)
def test_every_answer_becomes_a_mail(lens: Lens[Any, Any]) -> None:
    answer = example_of(lens.Answer)
    part = Part(lens.title, blocks_of(answer))
    day = date(2026, 3, 28)
    content = Content(
        name="x", project="Shop", first=day, last=day, hourly=True, zone=ZoneInfo("Asia/Tokyo"), parts=[part], url=""
    )
    made = render(content)
    assert lens.title in made.html
    assert lens.title.upper() in made.text
    assert ("<img" in made.html) == bool(made.images)


@pytest.fixture
def mailed(runtime: Runtime, fake_smtp: list[bytes]) -> list[bytes]:
    runtime.settings.smtp_url = f"smtp://127.0.0.1:{fake_smtp.pop(0).decode()}"
    return fake_smtp


@pytest.fixture
def channel(ask: Asker, mailed: list[bytes]) -> str:
    made = ask("POST", "/api/channels", {"kind": "email", "target": "ada@example.com"}, status=201)
    return str(made["id"])


def make(ask: Asker, channel: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "Daily", "page": "events", "every": "day", "timezone": "UTC", "to": [channel], **fields}
    return dict(ask("POST", "/api/reports", body, status=201))


def work(runtime: Runtime) -> list[Ended]:
    ended = []
    while True:
        with runtime.database.begin() as session:
            jobs = claim(session, worker="test", kinds=["report"], limit=1, length=runtime.settings.job_lease)
        if not jobs:
            return ended
        run = Run(jobs[0], HANDLERS["report"], runtime.settings.job_lease)
        ended.append(run.work(runtime, runtime.settings.job_backoff))


def yesterday(runtime: Runtime) -> None:
    noon = (clock.now() - timedelta(days=1)).replace(hour=12)
    names = ["<b>checkout</b>", "<b>checkout</b>", "signup"]
    rows = [
        event(name=name, event_type=name, occurred_at=clock.to_us(noon), received_at=clock.to_us(noon), user_id="u1")
        for name in names
    ]
    fill(runtime, rows, jobs=False)


def parts(raw: bytes) -> dict[str, EmailMessage]:
    message = message_from_bytes(raw, policy=default)
    return {part.get_content_type(): part for part in message.walk() if not part.is_multipart()} | {"": message}


def test_what_is_due_goes_out_once_in_three_forms(
    ask: Asker, runtime: Runtime, channel: str, mailed: list[bytes]
) -> None:
    yesterday(runtime)
    made = make(ask, channel)
    sending.enqueue_due(runtime)
    assert work(runtime) == []
    with runtime.database.begin() as session:
        session.execute(sa.update(Report).values(next_at=clock.now() - timedelta(minutes=1)))
    sending.enqueue_due(runtime)
    sending.enqueue_due(runtime)
    work(runtime)
    [raw] = mailed
    found = parts(raw)
    day = (clock.now() - timedelta(days=1)).date()
    assert found[""]["Subject"] == f"Daily: {day:%A}, {day.day} {day:%b} {day.year}"
    text, html = found["text/plain"].get_content(), found["text/html"].get_content()
    assert re.search(r"<b>checkout</b> +2", text)
    assert "12:00: All events 3" in text
    assert "All events: 3" in text
    assert "&lt;b&gt;checkout&lt;/b&gt;" in html
    assert "<b>checkout" not in html
    [cid] = re.findall(r'src="cid:([^"]+)"', html)
    picture = found["image/png"]
    assert picture["Content-ID"] == f"<{cid}>"
    assert picture.get_content().startswith(b"\x89PNG")
    link = f"<https://quadra.example/unsubscribe/{found['']['List-Unsubscribe'].rpartition('/')[2]}"
    assert found[""]["List-Unsubscribe"] == link
    assert found[""]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    [listed] = ask("GET", "/api/reports")["reports"]
    assert listed["id"] == made["id"]
    assert listed["next_at"] > clock.iso(clock.now())
    assert (listed["last_error"], listed["last_sent_at"] is None) == (None, False)


def test_a_view_is_asked_about_the_time_of_the_report(
    ask: Asker, runtime: Runtime, channel: str, mailed: list[bytes]
) -> None:
    yesterday(runtime)
    questions = {
        "signups": {"lens": "trends", "params": {"event": "signup", "days": 90, "interval": "month"}},
        "signups-before": {"lens": "trends", "params": {"event": "signup"}},
        "gone": {"lens": "trends", "params": {"segment": "019be0c4-3c00-7000-8000-000000000009"}},
    }
    view = ask("POST", "/api/saved-views", {"name": "V", "page": "events", "questions": questions}, status=201)
    made = make(ask, channel, page=None, view=view["id"])
    assert ask("POST", f"/api/reports/{made['id']}/send", status=202) == {"mails": 1}
    work(runtime)
    text = parts(mailed[0])["text/plain"].get_content()
    assert "SIGNUPS\n" in text.replace("\r", "")
    assert "12:00: signup 1" in text
    assert "BEFORE" not in text
    assert "GONE" in text
    assert "This could not be answered." in text
    ask("DELETE", f"/api/saved-views/{view['id']}")
    ask("POST", f"/api/reports/{made['id']}/send", status=202)
    work(runtime)
    [listed] = ask("GET", "/api/reports")["reports"]
    assert "is gone" in listed["last_error"]
    assert len(mailed) == 1


def test_the_link_ends_it_for_one_address_and_only_its_post_does(
    ask: Asker, runtime: Runtime, client: FlaskClient, channel: str, mailed: list[bytes]
) -> None:
    other = ask("POST", "/api/channels", {"kind": "email", "target": "bob@example.com"}, status=201)["id"]
    made = make(ask, channel, to=[channel, other])
    ask("POST", f"/api/reports/{made['id']}/send", status=202)
    work(runtime)
    ada = next(found for raw in mailed if (found := parts(raw)[""])["To"] == "ada@example.com")
    path = ada["List-Unsubscribe"].removeprefix("<https://quadra.example").removesuffix(">")
    assert client.get(path).json == {"report": "Daily", "subscribed": True}
    assert client.get(path).json == {"report": "Daily", "subscribed": True}
    ask("POST", f"/api/reports/{made['id']}/send", status=202)
    for _ in range(2):
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, answer.json) == (200, {"report": "Daily", "subscribed": False})
    [listed] = ask("GET", "/api/reports")["reports"]
    assert listed["to"] == [other]
    work(runtime)
    assert sorted(parts(raw)[""]["To"] for raw in mailed) == ["ada@example.com", "bob@example.com", "bob@example.com"]
    assert client.post(path[:-2] + "xx").status_code == 404
    deeds = [entry["action"] for entry in Asker(client, runtime, project="default")("GET", "/api/audit")["entries"]]
    assert deeds.count("alerts.report.unsubscribed") == 1
    assert ask("DELETE", f"/api/channels/{other}", status=409)["error"]["message"].startswith(
        "These alerts and reports"
    )


def test_a_report_is_of_its_project_alone(
    ask: Asker, runtime: Runtime, client: FlaskClient, channel: str, receiver: Receiver
) -> None:
    made = make(ask, channel)
    with runtime.database.begin() as session:
        create_project(session, name="Other")
    other, viewer = Asker(client, runtime, project="other"), Asker(client, runtime, scope="read")
    path = f"/api/reports/{made['id']}"
    assert other("GET", "/api/reports")["reports"] == []
    for method, where in [("PATCH", path), ("DELETE", path), ("POST", f"{path}/send"), ("GET", f"{path}/preview")]:
        other(method, where, {} if method == "PATCH" else None, status=404)
        if method != "GET":
            viewer(method, where, {} if method == "PATCH" else None, status=403)
    webhook = ask("POST", "/api/channels", {"kind": "webhook", "target": receiver.url}, status=201)["id"]
    body = {"name": "x", "page": "events", "every": "day", "to": [channel]}
    for wrong, field in [
        ({"to": [webhook]}, "to"),
        ({"page": None}, "page"),
        ({"view": "nothing"}, "page"),
        ({"page": None, "view": "nothing"}, "view"),
        ({"at": "24:00"}, "at"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"name": " "}, "name"),
    ]:
        assert field in ask("POST", "/api/reports", {**body, **wrong}, status=400)["error"]["fields"]
    assert other("POST", "/api/reports", body, status=400)["error"]["fields"]["to"]
    changed = ask("PATCH", path, {"every": "month", "at": "07:30", "page": "visits"})
    assert (changed["every"], changed["at"], changed["page"]) == ("month", "07:30", "visits")
    assert changed["next_at"].endswith("-01T07:30:00.000Z")
    ask("DELETE", path)
    with runtime.database.read() as session:
        assert session.scalars(sa.select(ReportMail)).all() == []


def test_a_preview_runs_nothing_and_carries_its_pictures(ask: Asker, runtime: Runtime, channel: str) -> None:
    yesterday(runtime)
    made = make(ask, channel)
    answer = ask.open("GET", f"/api/reports/{made['id']}/preview")
    assert answer.mimetype == "text/html"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert 'src="data:image/png;base64,' in answer.text
    assert "cid:" not in answer.text
    assert "unsubscribe" not in answer.text.lower()
