"""The Python client and the JavaScript package, against a real Quadra and a fake one that fails; the examples of their
docs; the hook in a React application in Chromium.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree, which
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from quadra.client import Client, Lost
from tests.ingest.real import Project, new_project
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.site import served
from tests.waiting import eventually

TOP = Path(__file__).resolve().parents[2]
EXAMPLES = dict(re.findall(r"```(sh|python|js)\n(.*?)```", (TOP / "docs" / "clients.md").read_text(), re.DOTALL))

MODULES = TOP / "node_modules"
REACT_PAGE = '<!doctype html><title>Shop</title><div id="root"></div><script src="/app.js"></script>'
REACT = """
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { configure, useAnalytics } from 'quadra-analytics';

configure({ url: URL, key: KEY });

function Shop() {
  const [count, setCount] = useState(0);
  const { trackEvent, trackPage, identify } = useAnalytics();
  useEffect(() => {
    identify('ada', { plan: 'pro' });
    trackPage(location.href, document.title);
  }, [identify, trackPage]);
  const add = () => {
    setCount(count + 1);
    trackEvent('added', { count: count + 1 }, { value: 2.5 });
  };
  return <button onClick={add}>{count} in the cart</button>;
}

createRoot(document.getElementById('root')).render(<Shop />);
"""


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper, command=("serve", "--no-worker"))) as process:
        yield process


@pytest.fixture
def project(quadra: QuadraProcess) -> Project:
    return new_project(quadra)


class FakeQuadra:
    """Answers as it is told, and notes the ids of each request."""

    def __init__(self, *answers: int):
        self.answers = list(answers)
        self.asked: list[list[str]] = []


@contextmanager
def fake(*answers: int) -> Iterator[tuple[str, FakeQuadra]]:
    told = FakeQuadra(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.asked.append([event["event_id"] for event in body["events"]])
            status = told.answers.pop(0) if told.answers else 200
            answer = b"{}" if status == 200 else b'{"error":{"code":"c","message":"m"}}'
            if status:  # 0: hang up
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()


def test_every_call_is_an_event_of_its_kind_and_refused_ones_are_told(project: Project) -> None:
    lost: list[Lost] = []
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    with Client(project.quadra.base_url, project.write_key, batch_events=7, on_lost=lost.append) as client:
        client.track("plain", {"n": 1}, user_id="ada", event_id="mine", timestamp=at, page_url="https://a/")
        client.identify("ada", {"plan": "pro"}, anonymous_id="a1")
        client.alias("ada", "old")
        client.group("ada", "acme", {"seats": 3})
        client.page("https://a/b", "B", "https://c/")
        client.feature("export")
        client.funnel("signup", "started", 1)
        client.survey("nps", 9)
        client.ai("model-1", cost_usd=0.5)
        client.error(TypeError("broken"))
        client.metric("queue", 3)
        bad = client.survey("nps", 99)
        for _ in range(40):
            client.track("many", user_id="ada")
        assert client.flush(90)
    assert [(one.event_id, one.code) for one in lost] == [(bad, "invalid")]
    found = project.events()
    assert len(found) == 51
    first = next(event for event in found if event["event_id"] == "mine")
    assert (first["occurred_at"], first["properties"], first["page_url"]) == (
        "2026-01-31T12:00:00.000Z",
        {"n": 1},
        "https://a/",
    )
    assert {event["kind"] for event in found} == {
        *("event", "identify", "page", "feature", "funnel", "survey", "ai", "error", "metric"),
    }


def test_a_fake_server_that_fails_gets_the_same_ids_again_and_in_order() -> None:
    with fake(503, 0, 500, 429) as (url, told), Client(url, "qk_x", batch_events=2, linger_seconds=60) as client:
        ids = [client.track("e") for _ in range(5)]
        assert client.flush(90)
    assert told.asked[0] == ids[:2]
    assert [asked for asked in told.asked if asked == ids[:2]] == told.asked[:5]
    assert [one for asked in told.asked[4:] for one in asked] == ids


def test_what_a_fake_server_refuses_for_good_is_not_sent_again() -> None:
    lost: list[Lost] = []
    with fake(401) as (url, told), Client(url, "qk_x", on_lost=lost.append) as client:
        event_id = client.track("e")
        assert client.flush(90)
    assert lost == [Lost(event_id, "c", "m")]
    assert len(told.asked) == 1


def test_a_full_queue_and_a_closed_client_lose_nothing_in_silence() -> None:
    lost: list[Lost] = []
    client = Client("http://127.0.0.1:9", "qk_x", queue_events=2, close_seconds=0.1, on_lost=lost.append)
    ids = [client.track("e") for _ in range(3)]
    assert client.close() is False
    ids.append(client.track("late"))
    assert [(one.event_id, one.code) for one in lost] == [
        (ids[2], "queue_full"),
        (ids[0], "closed"),
        (ids[1], "closed"),
        (ids[3], "closed"),
    ]


@pytest.mark.parametrize("wrong", [{"n": float("nan")}, {"n": object()}])
def test_what_is_not_json_is_said_to_the_caller(wrong: Any) -> None:
    client = Client("http://127.0.0.1:9", "qk_x")
    with pytest.raises(ValueError, match="'e' is not JSON"):
        client.track("e", wrong)
    with pytest.raises(ValueError, match="offset"):
        client.track("e", timestamp=datetime(2026, 1, 31))  # noqa: DTZ001
    assert client.close()


def test_what_is_queued_when_the_process_ends_is_sent(project: Project) -> None:
    script = (
        "import sys\nfrom quadra.client import Client\nclient = Client(*sys.argv[1:])\n"
        "for n in range(300):\n    client.track('last', {'n': n})\n"
        "assert not {'flask', 'sqlalchemy', 'quadra.core'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, project.quadra.base_url, project.write_key], check=True, timeout=60)
    assert sorted(event["properties"]["n"] for event in project.events()) == list(range(300))


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("sh", {"from_curl"}),
        ("python", {"identify", "from_python", "feature"}),
        ("js", {"identify", "from_node", "from_the_hook"}),
    ],
)
def test_the_examples_of_the_docs_run(project: Project, tmp_path: Path, language: str, names: set[str]) -> None:
    program = {"sh": "curl", "python": sys.executable, "js": "node"}[language]
    if which(program) is None:
        pytest.skip(f"{program} is not available here")
    file = tmp_path / {"sh": "example.sh", "python": "example.py", "js": "example.mjs"}[language]
    file.write_text(EXAMPLES[language])
    copytree(TOP / "clients" / "js", tmp_path / "node_modules" / "quadra-analytics")
    command = {"sh": "sh", "python": sys.executable, "js": "node"}[language]
    known = {"QUADRA_URL": project.quadra.base_url, "QUADRA_KEY": project.write_key}
    subprocess.run([command, str(file)], env={**os.environ, **known}, check=True, timeout=60, stdout=subprocess.DEVNULL)
    found = project.events()
    assert {event["name"] for event in found} == names
    assert {event["user_id"] for event in found} == {"ada"}


@pytest.fixture
def react_app(tmp_path: Path, project: Project) -> bytes:
    """A React application that uses the hook, bundled by esbuild."""
    if which("node") is None or not all(
        (MODULES / name).exists() for name in ("react", "react-dom", "esbuild", "@esbuild")
    ):
        pytest.skip("Node or React of package.json are not available here")
    quoted = {"URL": f"'{project.quadra.base_url}'", "KEY": f"'{project.write_key}'"}
    source = tmp_path / "app.jsx"
    source.write_text(REACT)
    command = [
        *("node", MODULES / "esbuild" / "bin" / "esbuild", source, "--bundle", "--jsx=automatic"),
        f"--alias:quadra-analytics={TOP / 'clients' / 'js'}",
        *(f"--define:{name}={value}" for name, value in quoted.items()),
        '--define:process.env.NODE_ENV="production"',
        f"--outfile={tmp_path / 'app.js'}",
    ]
    done = subprocess.run(
        command, env={**os.environ, "NODE_PATH": str(MODULES)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return (tmp_path / "app.js").read_bytes()


def test_the_hook_is_the_same_in_each_render_of_react_and_each_click_is_one_event(
    browser: Browser, project: Project, react_app: bytes
) -> None:
    with served(REACT_PAGE, {"/app.js": react_app}) as site, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site}/shop")
        for count in range(3):
            page.get_by_role("button", name=f"{count} in the cart").click()
        expect(page.get_by_role("button")).to_have_text("3 in the cart")
        eventually(lambda: len(project.events()) >= 5)
        found = project.events()
    kinds = [event["kind"] for event in found]
    assert (kinds.count("identify"), kinds.count("page")) == (1, 1), "an effect that names the functions runs once"
    added = [event for event in found if event["name"] == "added"]
    assert sorted(event["properties"]["count"] for event in added) == [1, 2, 3]
    assert {(event["user_id"], event["value"]) for event in added} == {("ada", 2.5)}
    assert {event["page_url"] for event in found if event["kind"] == "page"} == {f"{site}/shop"}
