"""The trackers of Umami, Plausible and Matomo, and RudderStack's SDK: what their messages become, and the real ones from npm."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from datetime import timedelta
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from playwright.sync_api import Browser

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.places import COUNTRIES
from quadra.ingest.sdks import matomo, plausible, umami
from quadra.ingest.visitors import Visitors, advanced, forget_older
from quadra.ingest.wire import Refused
from tests.clients import make_key
from tests.ingest.conftest import ask, opened
from tests.ingest.real import Project, new_project
from tests.servers.quadra import QuadraProcess
from tests.site import served
from tests.waiting import eventually

MODULES = Path(__file__).resolve().parents[2] / "node_modules"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:127.0) Gecko/20100101 Firefox/127.0"
NOW = clock.now_us()


def row(wire: Any) -> Row:
    return accept(wire, Sender(1, "x", visitor="visitor-1"), NOW)


def properties(row: Row) -> Any:
    return json.loads(bytes(row.properties or b"null"))


def seen(payload: dict[str, Any], kind: str = "event") -> Row:
    return row(umami.read({"type": kind, "payload": payload}))


def did(**parameters: Any) -> Row:
    return row(matomo.read({"idsite": "k", **parameters}, "k"))


def test_umami_page_views_have_a_whole_address_and_events_their_data() -> None:
    page = seen({"url": "/a?b=1", "hostname": "shop.example", "referrer": "/", "title": "T", "screen": "800x600"})
    assert (page.kind, page.page_url, page.referrer, page.page_title, page.screen) == (
        *("page", "https://shop.example/a?b=1", "https://shop.example/", "T", "800x600"),
    )
    assert (page.user_id, page.anonymous_id) == ("visitor-1", "visitor-1")
    bought = seen({"name": "bought", "data": {"revenue": 12.5, "currency": "EUR"}, "tag": "b", "id": "u1"})
    assert (bought.kind, bought.name, bought.value, bought.user_id) == ("event", "bought", 12.5, "u1")
    assert properties(bought) == {"revenue": 12.5, "currency": "EUR", "tag": "b"}
    known = seen({"id": "u1", "data": {"plan": "pro"}}, "identify")
    assert (known.kind, known.user_id, bytes(known.fields or b"")) == ("identify", "u1", b'{"traits":{"plan":"pro"}}')


def test_plausible_names_may_be_short_or_long_and_properties_a_text() -> None:
    short = row(plausible.read({"n": "pageview", "u": "https://a/b#/c", "r": "https://x/", "p": {"k": 1}}))
    long = row(
        plausible.read({"name": "pageview", "url": "https://a/b#/c", "referrer": "https://x/", "props": '{"k":1}'})
    )
    for found in (short, long):
        assert (found.kind, found.page_url, found.referrer, properties(found)) == (
            *("page", "https://a/b#/c", "https://x/", {"k": 1}),
        )
    paid = row(plausible.read({"n": "Purchase", "$": {"amount": "15.99", "currency": "USD"}}))
    assert (paid.name, paid.value, properties(paid)) == ("Purchase", 15.99, {"revenue": 15.99, "currency": "USD"})
    left = row(plausible.read({"n": "engagement", "sd": 40, "e": 5300}))
    assert (left.name, left.duration_ms, properties(left)) == ("engagement", 5300, {"scroll_depth": 40})


@pytest.mark.parametrize(
    ("sent", "name", "value", "kept"),
    [
        ({}, "page_view", None, {}),
        ({"e_c": "Video", "e_a": "Play", "e_n": "F", "e_v": "3"}, "Play", 3.0, {"name": "F"}),
        ({"idgoal": "2", "revenue": "9.5"}, "goal", 9.5, {"goal": "2", "revenue": 9.5}),
        (
            {"idgoal": "0", "ec_id": "o1", "revenue": "20", "ec_tx": "2", "ec_items": '[["sku","n","c",10,2]]'},
            *("order", 20.0, {"order_id": "o1", "revenue": 20.0, "tx": 2.0, "items": [["sku", "n", "c", 10, 2]]}),
        ),
        ({"idgoal": "0", "revenue": "20"}, "cart_update", 20.0, {"revenue": 20.0}),
        (
            {"search": "shoes", "search_cat": "c", "search_count": "4"},
            "search",
            None,
            {"query": "shoes", "category": "c", "results": 4.0},
        ),
        ({"download": "https://a/f.pdf"}, "download", None, {"url": "https://a/f.pdf"}),
        ({"link": "https://b.example/x"}, "outbound_click", None, {"url": "https://b.example/x", "host": "b.example"}),
        ({"c_n": "Ad", "c_p": "a.jpg"}, "content_impression", None, {"name": "Ad", "piece": "a.jpg"}),
        ({"dimension1": "x", "cvar": '{"1":["Plan","pro"]}'}, "page_view", None, {"dimension1": "x", "Plan": "pro"}),
    ],
)
def test_a_matomo_request_is_what_its_parameters_say(sent: Any, name: str, value: Any, kept: Any) -> None:
    found = did(url="https://a/", action_name="A", urlref="https://b/", _id="0123456789abcdef", **sent)
    assert (found.name, found.value, properties(found) or {}) == (name, value, kept)
    assert (found.kind == "page") is (name == "page_view")
    assert (found.page_url, found.page_title, found.referrer) == ("https://a/", "A", "https://b/")
    assert (found.user_id, found.anonymous_id) == ("0123456789abcdef", "0123456789abcdef")


def test_matomo_users_times_and_sites() -> None:
    known = did(uid="u1", cid="0123456789abcdef", cdt="2026-01-31 12:00:00", lang="de-AT,de;q=0.8", res="800x600")
    assert (known.user_id, known.anonymous_id, known.language, known.screen) == (
        *("u1", "0123456789abcdef", "de-AT", "800x600"),
    )
    assert clock.iso(clock.from_us(known.occurred_at)) == "2026-01-31T12:00:00.000Z"
    assert clock.iso(clock.from_us(did(cdt="1769860800").occurred_at)) == "2026-01-31T12:00:00.000Z"
    refused = matomo.read("?idsite=other&rec=1", "k")
    assert isinstance(refused, Refused)
    assert "idsite" in refused.fields


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (umami.read({"type": "other", "payload": {}}), "type"),
        (umami.read({"payload": 1}), "payload"),
        (umami.read({"payload": {"data": []}}), "data"),
        (plausible.read({"u": "https://a/"}), "name"),
        (plausible.read({"n": "x", "p": [1]}), "props"),
        (matomo.read({"idsite": "k", "cdt": "soon"}, "k"), "timestamp"),
        (matomo.read([1], "k"), "requests"),
    ],
)
def test_what_can_never_be_stored_is_refused_by_the_senders_own_names(wire: Any, field: str) -> None:
    if not isinstance(wire, Refused):
        with pytest.raises(Refused) as refused:
            row(wire)
        wire = refused.value
    assert field in wire.fields


def test_the_key_of_a_day_follows_from_the_one_before_and_not_the_other_way() -> None:
    today = clock.now().date()
    old = (today - timedelta(days=2), b"k" * 32)
    new = advanced(old, today)
    assert new == advanced(advanced(old, today - timedelta(days=1)), today)
    assert new[1] != old[1]
    assert advanced(new, today - timedelta(days=1)) == new


def test_the_key_of_today_takes_the_place_of_the_older_one_and_everybody_keeps_their_id(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        before = Visitors(database)
        before.load()
        seed = ask(database, "SELECT value FROM installation_secret")
        for _ in range(2):
            forget_older(Runtime(settings=load(data_dir=tmp_path), database=database))
            held = ask(database, "SELECT value FROM installation_secret")
            assert held != seed
            assert held[0][0].startswith(f"{clock.now().date()}:")
        after = Visitors(database)
        after.load()
        who = (1, "192.0.2.1", FIREFOX)
        assert before.id_of(*who) == after.id_of(*who)
        assert len({after.id_of(*who), after.id_of(2, *who[1:]), after.id_of(1, "192.0.2.2", FIREFOX)}) == 3


@pytest.fixture
def project(quadra: QuadraProcess) -> Project:
    return new_project(quadra)


def run_node(script: str, *arguments: str) -> None:
    if which("node") is None or not (MODULES / "@umami").exists():
        pytest.skip("Node or the packages of package.json are not available here")
    code = f"const [url, key] = process.argv.slice(1); (async () => {{ {script} }})()"
    done = subprocess.run(
        ["node", "-e", code, *arguments], cwd=MODULES.parent, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


UMAMI = """
const { Umami } = require('@umami/node');
const client = new Umami({ websiteId: key, hostUrl: url });
const ok = async (answer) => { if (!(await (await answer).json()).ok) throw new Error('not ok'); };
await ok(client.track({ url: '/home', hostname: 'shop.example', referrer: 'https://google.com/', title: 'Home' }));
await ok(client.track('signup', { plan: 'pro' }));
await ok(client.identify({ email: 'ada@example.com' }));
"""
MATOMO = """
const http = require('http'), get = http.get;  // the client leaves answers unread, and so its process would not end
http.get = (address, then) => get(address, (answer) => { answer.resume(); then(answer); });
const Matomo = require('matomo-tracker');
const client = new Matomo(key, url + '/matomo.php');
client.on('error', (error) => { throw new Error(error); });
const seen = { url: 'https://shop.example/a', action_name: 'A', uid: 'ada', urlref: 'https://google.com/' };
client.track({ ...seen, ua: process.argv[3], send_image: 0 });
const many = [{ url: 'https://shop.example/b', e_c: 'Video', e_a: 'Play', uid: 'ada' }, { url: 'https://shop.example/c' }];
client.trackBulk([...many, { url: 'https://shop.example/c', ping: 1 }], (answer) => {
  const told = JSON.parse(answer);
  if (told.tracked !== 3 || told.invalid !== 0) throw new Error(answer);
});
"""
RUDDER = """
const Rudder = require('@rudderstack/rudder-sdk-node');
const client = new (Rudder.default || Rudder)(key, { dataPlaneUrl: url });
client.identify({ userId: 'ada', traits: { plan: 'pro' } });
client.track({ userId: 'ada', event: 'Signed Up', properties: { n: 1 } });
client.page({ userId: 'ada', name: 'Home', properties: { url: 'https://shop.example/', referrer: 'https://google.com/' } });
client.group({ userId: 'ada', groupId: 'acme', traits: { seats: 3 } });
await new Promise((done, failed) => client.flush((error) => error ? failed(error) : done()));
"""


SHOP = """<!doctype html><title>Shop</title><script type=module>
import { init, track } from '/plausible.js';
Object.assign(window, { init, track });
</script>"""


def told(event: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(event[name] for name in names)


def by_name(project: Project) -> dict[str, dict[str, Any]]:
    found = project.events()
    assert len({event["name"] for event in found}) == len(found), found
    return {event["name"]: event for event in found}


def test_the_real_umami_client_is_counted_once_each(project: Project) -> None:
    run_node(UMAMI, project.quadra.base_url, project.write_key)
    found = by_name(project)
    assert set(found) == {"page_view", "signup", "identify"}
    page = found["page_view"]
    assert told(page, "kind", "page_url", "referrer") == ("page", "https://shop.example/home", "https://google.com/")
    assert found["signup"]["properties"] == {"plan": "pro"}
    assert page["user_id"].startswith("visitor-")
    assert {event["user_id"] for event in found.values()} == {page["user_id"]}


def test_the_real_matomo_client_is_counted_once_each(project: Project) -> None:
    run_node(MATOMO, project.quadra.base_url, project.write_key, FIREFOX)
    eventually(lambda: len(project.events()) == 3)
    found = {event["page_url"]: event for event in project.events()}
    first = found["https://shop.example/a"]
    assert told(first, "kind", "user_id", "browser", "referrer") == ("page", "ada", "Firefox", "https://google.com/")
    assert told(found["https://shop.example/b"], "name", "category") == ("Play", "Video")
    assert found["https://shop.example/c"]["user_id"].startswith("visitor-")


def test_the_real_rudderstack_sdk_is_counted_once_each(project: Project) -> None:
    run_node(RUDDER, project.quadra.base_url, project.write_key)
    found = by_name(project)
    kinds = {"identify": "identify", "Signed Up": "event", "page_view": "page", "group": "event"}
    assert {name: event["kind"] for name, event in found.items()} == kinds
    assert {event["user_id"] for event in found.values()} == {"ada"}
    assert found["page_view"]["referrer"] == "https://google.com/"


def test_the_real_plausible_tracker_in_chromium_knows_its_site_by_name(project: Project, browser: Browser) -> None:
    module = MODULES / "@plausible-analytics" / "tracker" / "plausible.js"
    if not module.exists():
        pytest.skip("The packages of package.json are not available here")
    with served(SHOP, {"/plausible.js": module.read_bytes()}) as site, browser.new_context() as context:
        host = site.removeprefix("http://")
        make_key(project.quadra, "ingest", project.slug, origins=[site])
        page = context.new_page()
        page.add_init_script("Object.defineProperty(navigator, 'webdriver', { get: () => false })")
        page.goto(f"{site}/a?utm_source=news", referer="https://google.com/")
        started = f"{{ domain: '{host}', endpoint: '{project.quadra.base_url}/api/event', captureOnLocalhost: true }}"
        page.evaluate(f"init({started})")
        page.evaluate("history.pushState({}, '', '/b')")
        paid = "{ props: { n: 1 }, revenue: { amount: 9, currency: 'EUR' }, callback: done }"
        assert page.evaluate(f"new Promise((done) => track('Purchase', {paid}))") == {"status": 202}
        eventually(lambda: len(project.events()) >= 3)
    events = {event["name"] + (event["page_url"] or "")[len(site) :]: event for event in project.events()}
    first, second, bought = (events[name] for name in ("page_view/a?utm_source=news", "page_view/b", "Purchase/b"))
    assert first["referrer"] == "https://google.com/"
    assert told(bought, "kind", "value", "user_id") == ("event", 9, first["user_id"])
    assert first["user_id"] == second["user_id"]
    assert first["user_id"].startswith("visitor-")
    assert set(events) <= {"page_view/a?utm_source=news", "page_view/b", "Purchase/b", "engagement/a?utm_source=news"}


def test_answers_are_those_that_the_trackers_expect(project: Project) -> None:
    key, get = project.write_key, {"method": "GET"}
    with urllib.request.urlopen(f"{project.quadra.base_url}/piwik.php?idsite={key}&rec=1", timeout=90) as seen:
        assert (seen.status, seen.headers["Content-Type"], seen.read(3)) == (200, "image/gif", b"GIF")
    assert project.send(f"/matomo.php?idsite={key}&rec=1&url=https%3A%2F%2Fa%2F&send_image=0", **get).status == 204
    assert project.send(f"/matomo.php?idsite={key}&rec=1&ping=1&send_image=0", **get).status == 204
    form = f"idsite={key}&rec=1&url=https%3A%2F%2Fform%2F".encode()
    assert (
        project.send("/matomo.php?send_image=0", form, Content_Type="application/x-www-form-urlencoded").status == 204
    )
    mixed = project.send("/matomo.php", {"requests": [f"?idsite={key}&rec=1", "?idsite=2&rec=1", 3]})
    assert told(mixed.body, "status", "tracked", "invalid") == ("success", 1, 2)
    large = project.send(
        "/matomo.php", {"requests": [f"?idsite={key}&rec=1&url=https%3A%2F%2Fa%2F{n}" for n in range(200)]}
    )
    assert large.body["tracked"] == 200
    assert project.send("/matomo.php?idsite=1&rec=1", **get).status == 401
    event = project.send("/api/event", json.dumps({"n": "x", "d": key}).encode(), Content_Type="text/plain")
    assert (event.status, event.body) == (202, "ok")
    assert project.send("/api/event", {"n": "x", "d": "nobody.example"}).status == 401
    assert project.send("/api/event", {"d": key}).status == 400
    assert project.send("/api/send", {"type": "event", "payload": {"website": "x"}}).status == 401
    for path in ("/script.js", "/js/script.js"):
        assert project.send(path, **get).body == project.send("/q.js", **get).body
    assert len(project.events()) == 205


def test_an_address_counts_only_from_those_who_may_read_the_project(project: Project) -> None:
    if not COUNTRIES.exists():
        pytest.skip("The database of countries is not available here")
    key = project.write_key
    reader = make_key(project.quadra, "read", project.slug)["key"]
    asked = f"/matomo.php?idsite={key}&rec=1&send_image=0&cip=8.8.8.8"
    for token in ("", f"&token_auth={key}", f"&token_auth={reader}"):
        assert project.send(f"{asked}{token}", method="GET", User_Agent=FIREFOX).status == 204
    found = project.events()
    assert sorted(str(event["country"]) for event in found) == ["None", "None", "US"]
    assert len({event["user_id"] for event in found}) == 2
    assert {event["browser"] for event in found} == {"Firefox"}
