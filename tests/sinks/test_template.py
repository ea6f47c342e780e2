"""The template of a sink in CONTRIBUTING.md works as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import orjson
import pytest

from quadra.sinks import handlers, registry, upkeep
from quadra.sinks.registry import Listed
from tests.sinks.conftest import Make, do, seal, state

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def test_the_template_of_a_sink_delivers_once_it_is_in_the_list(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = CONTRIBUTING.read_text().split("## A sink\n")[1].split("\n## ")[0]
    code, line, setting = re.findall(r"```python\n(.*?)```", text, re.S)
    written = [one for one in (code + line + setting).splitlines() if one.strip()]
    assert len(written) <= 30
    name = setting.partition(":")[0]
    folder = ModuleType("quadra.sinks.folder")
    exec(compile(code, str(CONTRIBUTING), "exec"), folder.__dict__)  # noqa: S102
    monkeypatch.setitem(sys.modules, folder.__name__, folder)
    listed = eval(line.strip().rstrip(","), {"Listed": Listed})  # noqa: S307
    monkeypatch.setattr(registry, "SINKS", (listed,))
    runtime = make()
    monkeypatch.setattr(type(runtime.settings), name, "", raising=False)
    assert not upkeep.configured(runtime.settings)
    monkeypatch.setattr(type(runtime.settings), name, str(tmp_path / "parcels"), raising=False)
    assert set(handlers.handlers(runtime.settings)) == {"deliver_folder"}
    ids = seal(runtime, "a", "b") + seal(runtime, "c")
    ended = do(runtime, "folder")
    assert ended is not None
    assert ended.state == "SUCCESS", ended.error
    lines = [line for file in sorted((tmp_path / "parcels").iterdir()) for line in file.read_bytes().splitlines()]
    assert [orjson.loads(line)["event_id"] for line in lines] == ids
    assert state(runtime, "folder").delivered_events == 3
