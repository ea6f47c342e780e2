"""Channels: who may make them, where they may lead, what they send, and that nobody sees a secret again."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from quadra.accounts.projects import create_project
from quadra.alerts import alert_routes, channel_routes, targets
from quadra.alerts.kind_list import KINDS
from quadra.alerts.sender_list import SENDERS
from quadra.core import outgoing
from quadra.core.errors import Invalid
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings, load
from tests.alerts.conftest import Asker, Receiver

PRIVATE = [
    "http://127.0.0.1/x",
    "http://localhost/x",
    "http://LOCALHOST./x",
    "http://127.1/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://10.0.0.8/x",
    "http://169.254.169.254/latest/meta-data",
    "http://[::1]/x",
    "http://[::ffff:10.0.0.1]/x",
    "http://[64:ff9b::a00:1]/x",
    "http://[fd00::1]/x",
    "http://[fec0::1]/x",
    "http://[fe80::1%25eth0]/x",
    "http://[::127.0.0.1]/x",
    "http://[::ffff:0:127.0.0.1]/x",
    "http://[64:ff9b:1::a00:1]/x",
    "http://[2002:7f00:1::]/x",
    "http://[2001::80ff:fffe]/x",
    "http://017700000001/x",
    "http://192.0.0.1/x",
    "http://0.0.0.0/x",
    "http://100.64.0.1/x",
]


@pytest.fixture
def production(tmp_path: Path) -> Settings:
    return load(
        data_dir=tmp_path, environment="production", secret_key="1c0f7a52e9d84b63b7f0a4c81d5e93f26ab87c40", host="::1"
    )


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_target_is_refused_in_whatever_form(url: str, production: Settings) -> None:
    with pytest.raises(Invalid) as raised:
        targets.check_url(url, production)
    assert "ALERTS_ALLOW_PRIVATE" in raised.value.fields["target"]
    with pytest.raises(targets.Refused):
        targets.post(url, b"{}", {}, production)


@pytest.mark.parametrize(
    "address", ["2606:4700::6810:84e5", "64:ff9b::5db8:d822", "::ffff:93.184.216.34", "93.184.216.34"]
)
def test_an_address_of_the_internet_is_taken_in_whatever_form(address: str) -> None:
    assert outgoing.is_public(ip_address(address))


def test_a_name_that_leads_into_a_private_network_is_refused_when_it_is_used(
    production: Settings, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    port = int(receiver.url.split(":")[2].split("/")[0])
    found = [(2, 1, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr("quadra.core.outgoing.socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(targets.Refused, match="private network"):
        targets.post(f"http://hooks.example:{port}/x", b"{}", {}, production)
    assert receiver.got == []
    allowed = production.model_copy(update={"alerts_allow_private": True})
    assert targets.post(f"http://hooks.example:{port}/x", b"{}", {}, allowed).taken
    assert receiver.got[0][0]["Host"] == f"hooks.example:{port}"


@pytest.mark.parametrize(
    "target", ["ftp://x.example/", "https://", "x", "https://u:p@x.example/", "https://x.example:0x/"]
)
def test_what_is_no_address_is_refused(target: str, ask: Asker) -> None:
    answer = ask("POST", "/api/channels", {"kind": "webhook", "target": target}, status=400)
    assert "target" in answer["error"]["fields"]


def test_a_secret_is_shown_once(ask: Asker, receiver: Receiver) -> None:
    made = ask("POST", "/api/channels", {"kind": "webhook", "target": receiver.url, "name": "Ops"}, status=201)
    assert made["secret"].startswith("whs_")
    own = {"kind": "webhook", "target": receiver.url, "secret": "mine-and-long"}
    assert ask("POST", "/api/channels", own, status=201)["secret"] == "mine-and-long"
    listed = ask("GET", "/api/channels")["channels"]
    assert [(one["name"], one["has_secret"]) for one in listed] == [("Ops", True), (receiver.url, True)]
    assert "secret" not in listed[0]
    changed = ask("PATCH", f"/api/channels/{made['id']}", {"name": "On call"})
    assert (changed["name"], changed["target"]) == ("On call", receiver.url)
    assert "secret" not in changed


def test_a_test_says_what_the_other_side_answered_and_follows_no_redirect(ask: Asker, receiver: Receiver) -> None:
    made = ask("POST", "/api/channels", {"kind": "webhook", "target": receiver.url}, status=201)
    path = f"/api/channels/{made['id']}/test"
    told = ask("POST", path)
    assert (told["ok"], told["answer"]) == (True, "200 thanks")
    receiver.status = 302
    told = ask("POST", path)
    assert (told["ok"], told["answer"]) == (False, "The other side answered 302 thanks")
    assert [one["state"] for one in receiver.bodies] == ["test", "test"]
    ask("PATCH", f"/api/channels/{made['id']}", {"target": "http://127.0.0.1:1/"})
    told = ask("POST", path)
    assert told["ok"] is False
    assert "cannot be reached" in told["answer"]


def test_slack_gets_a_text_that_names_nobody_by_its_marks(ask: Asker, receiver: Receiver) -> None:
    made = ask(
        "POST", "/api/channels", {"kind": "slack", "target": receiver.url, "name": "<!channel> & co"}, status=201
    )
    assert ask("POST", f"/api/channels/{made['id']}/test")["ok"] is True
    [body] = receiver.bodies
    assert body["text"] == (
        "*Test: Test message (shop)*\n"
        "This is a test of the channel &lt;!channel&gt; &amp; co. Nothing is wrong.\n"
        "<https://quadra.example|Show the figures>"
    )


def test_mail_needs_a_server_and_a_fake_one_gets_it(ask: Asker, runtime: Runtime, fake_smtp: list[bytes]) -> None:
    body = {"kind": "email", "target": "ops@example.com"}
    assert "SMTP_URL" in ask("POST", "/api/channels", body, status=400)["error"]["fields"]["kind"]
    runtime.settings.smtp_url = f"smtp://127.0.0.1:{fake_smtp[0].decode()}"
    wrong = ask("POST", "/api/channels", {**body, "target": "a@b\r\nBcc: c@d.example"}, status=400)
    assert "target" in wrong["error"]["fields"]
    made = ask("POST", "/api/channels", body, status=201)
    assert "secret" not in made or made["secret"] is None
    told = ask("POST", f"/api/channels/{made['id']}/test")
    assert told["ok"] is True, told
    message = message_from_bytes(fake_smtp[1], policy=default)
    assert message["To"] == "ops@example.com"
    assert message["Subject"] == "Test: Test message (shop)"
    assert message["Message-ID"] == f"<{message['X-Quadra-Delivery']}@localhost>"
    assert "Nothing is wrong." in message.get_content()


def test_a_project_has_a_bounded_number_of_channels_and_alerts(
    ask: Asker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in (channel_routes.ROWS, alert_routes.ROWS):
        monkeypatch.setattr(rows, "most", 1)
    channel = {"kind": "webhook", "target": receiver.url}
    made = ask("POST", "/api/channels", channel, status=201)
    alert = {"name": "Silence", "when": {"kind": "no_events", "minutes": 5}, "to": [made["id"]]}
    ask("POST", "/api/alerts", alert, status=201)
    for path, body in (("/api/channels", channel), ("/api/alerts", alert)):
        assert "delete some" in ask("POST", path, body, status=409)["error"]["message"]


def test_a_channel_in_use_is_not_deleted(ask: Asker, receiver: Receiver) -> None:
    made = ask("POST", "/api/channels", {"kind": "webhook", "target": receiver.url}, status=201)
    when = {"kind": "no_events", "minutes": 5}
    alert = ask("POST", "/api/alerts", {"name": "Silence", "when": when, "to": [made["id"]]}, status=201)
    assert "Silence" in ask("DELETE", f"/api/channels/{made['id']}", status=409)["error"]["message"]
    ask("DELETE", f"/api/alerts/{alert['id']}")
    ask("DELETE", f"/api/channels/{made['id']}")
    assert ask("GET", "/api/channels") == {"channels": []}


def test_another_projects_channels_and_alerts_are_not_there(
    ask: Asker, client: FlaskClient, runtime: Runtime, receiver: Receiver
) -> None:
    channel = ask("POST", "/api/channels", {"kind": "webhook", "target": receiver.url}, status=201)
    body = {"name": "Silence", "when": {"kind": "no_events", "minutes": 5}, "to": [channel["id"]]}
    alert = ask("POST", "/api/alerts", body, status=201)
    with runtime.database.begin() as session:
        create_project(session, name="Other")
    other = Asker(client, runtime, project="other")
    assert other("GET", "/api/alerts") == {"alerts": []}
    assert other("GET", "/api/channels") == {"channels": []}
    for method, path, sent in (
        ("PATCH", f"/api/channels/{channel['id']}", {"name": "x"}),
        ("DELETE", f"/api/channels/{channel['id']}", None),
        ("POST", f"/api/channels/{channel['id']}/test", None),
        ("PATCH", f"/api/alerts/{alert['id']}", {"name": "x"}),
        ("DELETE", f"/api/alerts/{alert['id']}", None),
        ("POST", f"/api/alerts/{alert['id']}/mute", {"minutes": 1}),
        ("GET", f"/api/alerts/{alert['id']}/firings", None),
        ("GET", "/api/alerts?project=shop", None),
        ("POST", "/api/alerts", body),
    ):
        message = other(method, path, sent, status=404)["error"]["message"]
        assert "shop" not in message or "project=shop" in path  # whose it is stays unsaid
    reader = Asker(client, runtime, scope="read")
    assert reader("GET", "/api/alerts")["alerts"][0]["name"] == "Silence"
    reader("POST", "/api/alerts", body, status=403)
    reader("DELETE", f"/api/channels/{channel['id']}", status=403)


def test_an_alert_on_health_is_for_who_sees_the_installation(ask: Asker, client: FlaskClient, runtime: Runtime) -> None:
    body = {"name": "Well?", "when": {"kind": "health"}}
    ask("POST", "/api/alerts", body, status=403)
    assert Asker(client, runtime, project="default")("POST", "/api/alerts", body, status=201)["when"] == body["when"]


@pytest.mark.parametrize(
    ("when", "field"),
    [
        ({"kind": "nothing"}, "when.kind"),
        ({}, "when.kind"),
        ({"kind": "no_events"}, "when.minutes"),
        ({"kind": "no_events", "minutes": 0}, "when.minutes"),
        ({"kind": "no_events", "minuts": 5}, "when.minuts"),
        ({"kind": "threshold", "lens": "trend", "op": ">", "value": 1}, "when.lens"),
        ({"kind": "threshold", "lens": "trends", "op": ">=", "value": 1}, "when.op"),
        ({"kind": "threshold", "lens": "trends", "op": ">", "value": 1, "params": {"evnt": "x"}}, "when.params.evnt"),
        (
            {"kind": "threshold", "lens": "trends", "op": ">", "value": 1, "params": {"from": "2026-01-01"}},
            "when.params.from",
        ),
        ({"kind": "threshold", "lens": "errors", "op": ">", "value": 1}, "when.field"),
        ({"kind": "threshold", "lens": "errors", "op": ">", "value": 1, "field": "totls.total"}, "when.field"),
        ({"kind": "insight", "at_least": "bad"}, "when.at_least"),
        ({"kind": "ai_budget", "usd": 5, "per": "year"}, "when.per"),
        ({"kind": "dead_letters", "more_than": -1}, "when.more_than"),
    ],
)
def test_a_wrong_condition_is_named(ask: Asker, when: dict[str, Any], field: str) -> None:
    answer = ask("POST", "/api/alerts", {"name": "x", "when": when}, status=400)
    assert field in answer["error"]["fields"]


def test_every_kind_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    assert [name for name in (*SENDERS, *(kind.name for kind in KINDS)) if f"| `{name}` |" not in text] == []
