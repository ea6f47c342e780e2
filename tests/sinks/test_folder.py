"""The folder: the smallest sink, which others are copied from."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from quadra.core.errors import Misconfigured
from quadra.sinks import handlers, registry
from tests.sinks.conftest import Make, do, seal, state


@pytest.mark.parametrize("inside", [True, False])
def test_parcels_are_files_of_the_folder_that_is_named(make: Make, tmp_path: Path, inside: bool) -> None:
    runtime = make(sinks=["folder://parcels" if inside else f"folder://{tmp_path / 'parcels'}"])
    assert set(handlers.handlers(runtime.settings)) == {"deliver_folder"}
    ids = seal(runtime, "a", "b") + seal(runtime, "c")
    ended = do(runtime, "folder")
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    folder = (runtime.settings.data_dir if inside else tmp_path) / "parcels"
    lines = [line for file in sorted(folder.iterdir()) for line in file.read_bytes().splitlines()]
    assert [orjson.loads(line)["event_id"] for line in lines] == ids
    assert state(runtime, "folder").delivered_events == 3


@pytest.mark.parametrize(
    ("addresses", "said"),
    [(["kafka://broker"], "names kafka://, which is no sink of this kind"), (["folder://a", "folder://b"], "twice")],
)
def test_an_address_that_no_sink_has_stops_the_start(make: Make, addresses: list[str], said: str) -> None:
    settings = make(sinks=addresses).settings
    with pytest.raises(Misconfigured, match=said):
        registry.check_addresses(settings)
