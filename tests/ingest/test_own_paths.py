"""A path of the operator's own for the tracker must not be one that Quadra answers itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from quadra.app import create_app
from quadra.core.errors import Misconfigured
from quadra.core.runtime import build
from quadra.core.settings import load
from quadra.ingest import own_paths


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder: Path = tmp_path_factory.mktemp("own")
    known = {"data_dir": folder, "database_url": f"sqlite:///{folder / 'quadra.db'}"}
    secret = "for these tests alone, which open no session"
    own = {"tracker_path": "/stats.js", "tracker_events_path": "/stats/in"}
    return create_app(build(load(**known, secret_key=secret, **own)))


@pytest.mark.parametrize("name", ["tracker_path", "tracker_events_path"])
@pytest.mark.parametrize(
    "path",
    ["/q.js", "/script.js", "/api/events", "/api/send", "/v1/batch", "/health", "/metrics", "/socket.io", "/overview"],
)
def test_a_path_of_quadra_itself_is_refused_at_the_start(app: Flask, name: str, path: str) -> None:
    with pytest.raises(Misconfigured, match=f"QUADRA_{name.upper()}={path} is a path of Quadra's own. Name another"):
        own_paths.check(app, load(**{name: path}))


def test_two_paths_must_differ_and_free_ones_are_fine(app: Flask) -> None:
    own_paths.check(app, load(tracker_path="/stats.js", tracker_events_path="/stats/in"))
    with pytest.raises(Misconfigured, match="are the same"):
        own_paths.check(app, load(tracker_path="/stats.js", tracker_events_path="/stats.js"))
