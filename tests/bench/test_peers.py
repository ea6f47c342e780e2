"""Quadra beside other products: that the sender, the counting and the page say true things. No other product is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # eventlet leaves another one as `http.server`
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from quadra.bench.peers import umami
from quadra.bench.peers.history import DAYS, VIEWS_A_VISIT, truth, views
from quadra.bench.peers.measure import Sizes, _load, send
from quadra.bench.peers.page import Published, Report, page
from quadra.bench.peers.product import Door, NotHere
from quadra.bench.peers.used import Trees, cpu
from quadra.core import clock

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIZES = Sizes(events=100, seconds=60, clients=3, requests=60)
ITS_DOOR = Door("its door", "send", 1)


class Fake(BaseHTTPRequestHandler):
    """Takes what is sent and keeps it; every tenth request is refused."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        taken = self.server.taken  # type: ignore[attr-defined]
        taken.append((self.path, dict(self.headers), body))
        refused = len(taken) % 10 == 0 and self.server.refuses  # type: ignore[attr-defined]
        answer = f"token of {self.headers['X-Forwarded-For']}".encode()
        self.send_response(503 if refused else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def fake_server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Fake) as server:
        server.taken, server.refuses = [], False  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: Any) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_the_page_is_made_of_the_figures_beside_it() -> None:
    report = msgspec.json.decode((DOCS / "benchmarks" / "peers.json").read_bytes(), type=Report)
    published = msgspec.json.decode((DOCS / "benchmarks" / "published.json").read_bytes(), type=list[Published])
    assert page(report, published) == (DOCS / "benchmarks-peers.md").read_text()


def test_every_product_is_given_the_same_past() -> None:
    start = clock.now()
    past = list(views(1_003, start))
    assert past == list(views(1_003, start))
    assert all(0 <= (view.at - start).days < DAYS for view in past)
    assert [view.before for view in past[:VIEWS_A_VISIT]] == [None, *(view.page for view in past[: VIEWS_A_VISIT - 1])]
    pages = [view.page for view in past]
    assert truth(1_003, start) == (1_003, len({view.visitor for view in past}), max(map(pages.count, pages)))


def test_a_visitor_sends_the_token_that_it_was_given_and_no_other_one(fake_server: Any) -> None:
    """Against a fake of Umami's door."""
    sent = send(url(fake_server), "site", ITS_DOOR, SIZES)
    assert (sent.failed, sent.unanswered, sent.acknowledged) == (0, 0, len(fake_server.taken))
    tokens: dict[str, list[str | None]] = {}
    for path, headers, body in fake_server.taken:
        assert (path, body["payload"]["website"]) == ("/api/send", "site")
        tokens.setdefault(headers["X-Forwarded-For"], []).append(headers.get("x-umami-cache"))
    assert len(tokens) > SIZES.clients
    for visitor, known in tokens.items():
        assert known == [None, *[f"token of {visitor}"] * (len(known) - 1)]
        assert len(known) <= VIEWS_A_VISIT


def test_only_what_was_acknowledged_counts_and_each_event_has_an_id_of_its_own(fake_server: Any) -> None:
    """Against a fake of Quadra's door that refuses some."""
    fake_server.refuses = True
    sent = send(url(fake_server), "key", Door("", "events", 7), SIZES)
    refused = len(fake_server.taken) // 10
    assert (sent.failed, sent.acknowledged) == (refused, (len(fake_server.taken) - refused) * 7)
    ids = [event["eventId"] for _, _, body in fake_server.taken for event in body["events"]]
    assert len(set(ids)) == len(ids) == len(fake_server.taken) * 7
    assert (sent.reason or "").startswith("503") == bool(refused)


@pytest.mark.parametrize(("missing", "said"), [(0, None), (1, "acknowledged"), (-1, "acknowledged")])
def test_a_product_that_stores_something_else_than_it_acknowledged_has_no_figure(
    fake_server: Any, missing: int, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fake product."""
    warm = 9
    monkeypatch.setattr("quadra.bench.peers.measure.WARM", warm)
    monkeypatch.setattr("quadra.bench.peers.measure.settle", lambda _: True)
    product: Any = SimpleNamespace(
        name="A fake",
        key="site",
        process=SimpleNamespace(pid=os.getpid(), url=url(fake_server)),
        rows=lambda: len(fake_server.taken) - (missing if len(fake_server.taken) > warm else 0),
    )
    trees = Trees(os.getpid(), os.getpid())
    if said is None:
        assert _load(product, trees, ITS_DOOR, SIZES).acknowledged == len(fake_server.taken) - warm == SIZES.requests
    else:
        with pytest.raises(AssertionError, match=said):
            _load(product, trees, ITS_DOOR, SIZES)


def test_processor_time_of_a_child_that_has_ended_counts() -> None:
    here = Trees(os.getpid(), os.getpid())
    before = cpu(here)
    program = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-S", "-c", program], check=True)
    assert cpu(here).since(before).product >= 0.19  # the system counts in hundredths


def test_what_cannot_be_built_here_is_said_and_not_raised_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotHere, match="npm is not on this machine"):
        umami.prepared(tmp_path / "kept", print)
    other = tmp_path / "other.js"
    other.write_text("another version")
    with pytest.raises(OSError, match="another version than"):
        umami._replace(other, "what is looked for", "")
