"""What pages load: kept for a year while it is what was bundled, and served from its source as soon as somebody edits that."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, url_for
from flask.testing import FlaskClient

from quadra.dashboard import static_files
from quadra.dashboard.static_files import Bundles

HASH = "0123456789abcdef"
SOURCE = b"export const answer = 42;\n"
BUNDLE = b"var a=42;export{a as answer};" * 20


@dataclass(frozen=True)
class Site:
    folder: Path
    client: FlaskClient
    app: Flask

    @property
    def address(self) -> str:
        with self.app.test_request_context():
            return url_for("dashboard.static", filename="page/main.js")

    @property
    def source(self) -> Path:
        return self.folder / "static" / "page" / "main.js"

    def get(self, address: str | None = None, **headers: str) -> Any:
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(address or self.address, headers=wanted, buffered=True)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A page with one script, bundled, in an application of its own. Who looks sees an edit at once."""
    source = tmp_path / "static" / "page" / "main.js"
    kept = tmp_path / "built" / "page" / f"main-{HASH}.js"
    for path, content in ((source, SOURCE), (kept, BUNDLE)):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    kept.with_name(kept.name + ".gz").write_bytes(gzip.compress(BUNDLE))
    kept.with_name(kept.name + ".br").write_bytes(b"packed by brotli")
    one = {"hash": HASH, "file": f"page/main-{HASH}.js", "inputs": {"page/main.js": hashlib.sha256(SOURCE).hexdigest()}}
    (tmp_path / "built" / "manifest.json").write_text(json.dumps({"page/main.js": one}))
    monkeypatch.setattr(static_files, "HERE", tmp_path)
    monkeypatch.setattr(static_files, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(static_files, "bundles", Bundles(tmp_path / "static", tmp_path / "built"))
    blueprint = Blueprint("dashboard", __name__)
    static_files.set_up(blueprint)
    app = Flask("alone", static_folder=None)
    app.register_blueprint(blueprint)
    return Site(tmp_path, app.test_client(), app)


@pytest.mark.parametrize(
    ("accepted", "encoding", "content"),
    [
        ("gzip, deflate, br", "br", b"packed by brotli"),
        ("gzip", "gzip", gzip.compress(BUNDLE)),
        ("br;q=0, gzip;q=0.5", "gzip", gzip.compress(BUNDLE)),
        ("", None, BUNDLE),
    ],
    ids=["all", "gzip alone", "brotli refused", "none"],
)
def test_a_bundle_is_kept_for_a_year_and_packed_as_the_browser_likes(
    site: Site, accepted: str, encoding: str | None, content: bytes
) -> None:
    answer = site.get(Accept_Encoding=accepted)
    assert site.address.endswith(f"main.js?v={HASH}")
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.data == content or gzip.decompress(answer.data) == BUNDLE
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "Accept-Encoding" in answer.headers["Vary"]
    again = site.get(Accept_Encoding=accepted, If_None_Match=answer.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == answer.headers["ETag"]


def test_each_encoding_has_an_etag_of_its_own(site: Site) -> None:
    assert len({site.get(Accept_Encoding=one).headers["ETag"] for one in ("br", "gzip", "identity")}) == 3


def test_a_source_that_was_edited_is_served_itself_and_asked_for_each_time(site: Site) -> None:
    named = site.address
    site.source.write_bytes(b"export const answer = 43;\n")
    for address in (site.address, named):
        answer = site.get(address, Accept_Encoding="br")
        assert answer.data == b"export const answer = 43;\n"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "Content-Encoding" not in answer.headers
    assert "?" not in site.address
    site.source.write_bytes(SOURCE)
    assert site.address == named


def test_a_source_by_its_plain_address_is_itself_since_other_sources_import_it(site: Site) -> None:
    answer = site.get("/static/dashboard/page/main.js", Accept_Encoding="br")
    assert answer.data == SOURCE
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_page_of_another_release_gets_this_ones_content_and_keeps_it_nowhere(site: Site) -> None:
    answer = site.get("/static/dashboard/page/main.js?v=fedcba9876543210")
    assert answer.data == BUNDLE
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("broken", ["manifest.json", f"page/main-{HASH}.js"])
def test_without_its_bundle_a_page_loads_the_source(site: Site, broken: str) -> None:
    named = site.address
    (site.folder / "built" / broken).unlink()
    assert site.get(named).data == SOURCE


def test_nothing_outside_is_served(site: Site) -> None:
    (site.folder / "secret").write_text("secret")
    for address in ("/static/dashboard/../secret", f"/static/dashboard/%2e%2e/secret?v={HASH}"):
        assert site.get(address).status_code == 404
