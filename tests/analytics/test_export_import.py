"""The import of an export is the same events, in every format: all but the batch and the time of receipt, which belong to
the installation that took the event."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from quadra.accounts.tables import Project
from quadra.analytics.export import FORMATS, read
from quadra.analytics.export_stream import Pieces
from quadra.core import clock
from quadra.core.api.raw_params import raw_params
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.importers import formats
from quadra.ingest.importers.access_log_events import Visitors
from quadra.ingest.importers.ids import Ids
from quadra.ingest.importers.items import Reading
from quadra.ingest.importers.run import Result, run
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times
from quadra.ingest.log import Log
from quadra.ingest.wire import from_dict
from tests.analytics.conftest import Place
from tests.analytics.stories import KINDS

OF_THE_INSTALLATION = ("batch_id", "received_at", "door")
START_US = clock.to_us(clock.from_us(1_772_409_600_000_000))
TEXT = st.one_of(
    st.sampled_from(
        ["=1", "'=1", "''+a", "'a", " a ", "a,b", 'say "hi"', "two\nlines", "\r", "NO", "12E5", "007", "ü☃"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
)
PLAIN = st.one_of(
    *(TEXT, st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1)),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.dictionaries(
    TEXT, st.one_of(PLAIN, st.lists(PLAIN, max_size=2), st.dictionaries(TEXT, PLAIN, max_size=2)), max_size=3
)


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[dict[str, Any], Sender]]:
    told = []
    for number in range(draw(st.integers(1, 25))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        wire = {name: value for name, values in KINDS[kind].items() if (value := draw(values)) is not None}
        at = clock.from_us(START_US + draw(st.integers(0, 10 * 86_400_000_000)))
        wire |= {"event_id": f"e{number}", "kind": kind, "timestamp": clock.iso(at), "properties": draw(JSON)}
        wire |= {"event_type": draw(TEXT)} if kind == "event" or draw(st.booleans()) else {}
        for name in ("event_name", "event_category", "user_id", "anonymous_id", "page_url", "page_title", "referrer"):
            wire |= {name: draw(TEXT)} if draw(st.booleans()) else {}
        wire |= {"duration_ms": draw(st.floats(0, 1e15))} if draw(st.booleans()) else {}
        device, browser, os = (
            draw(st.sampled_from([None, "desktop", "bot"])),
            draw(st.none() | TEXT),
            draw(st.none() | TEXT),
        )
        place = draw(st.sampled_from([(None, None), ("DE", None), ("AT", "Vienna")]))
        told.append((wire, Sender(0, "http", device, browser, os, draw(st.booleans()), *place)))
    return told


def exported(place: Place, project: Project, form: str) -> bytes:
    asked = raw_params([("from", "2026-03-01"), ("to", "2026-03-31"), ("format", form)])
    with closing(Pieces(place.runtime, read(asked, project))) as pieces:
        return b"".join(pieces)


def events(place: Place, project: Project) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in exported(place, project, "ndjson").splitlines()]
    return [{name: value for name, value in row.items() if name not in OF_THE_INSTALLATION} for row in found]


def bring(place: Place, project: Project, path: Path) -> Result:
    result, log = Result(), Log(place.runtime.database, writer="import", batch_max_events=10_000)
    with closing(Source(str(path))) as source, closing(Ids("secret")) as ids:
        items = formats.read(source, "auto", Reading(Visitors("secret"), Times()))[1]
        run(items, project_id=project.id, ids=ids, log=log, result=result)
    return result


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_that_is_imported_is_the_same_events(place: Place, tmp_path: Path, form: str) -> None:
    @settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(told=rows())
    def check(told: list[tuple[dict[str, Any], Sender]]) -> None:
        project, other, path = place.project(), place.project(), tmp_path / f"export.{form}"
        stored: list[Row] = []
        for wire, sender in told:
            who = replace(sender, project_id=project.id)
            stored.append(accept(from_dict(wire), who, clock.now_us()))
        Log(place.runtime.database, writer="test", batch_max_events=10_000).append(stored)
        path.write_bytes(exported(place, project, form))
        result = bring(place, other, path)
        assert (result.stored, result.refusals) == (len(told), [])
        assert events(place, other) == events(place, project)
        assert result.bots == sum(row.bot for row in stored)
        assert bring(place, other, path).duplicates == len(told)

    check()
