"""What other tools export becomes events: samples are made by hand after what each of them documents."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from quadra.core.database import Database
from quadra.core.errors import Invalid
from quadra.ingest.accept import Sender, accept
from quadra.ingest.importers import formats, mapping, totals
from quadra.ingest.importers.access_log_events import Visitors
from quadra.ingest.importers.ids import Ids
from quadra.ingest.importers.items import Reading
from quadra.ingest.importers.run import Result, _identified, _wire, run
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times
from quadra.ingest.log import Log
from quadra.ingest.tables import Event, ImportedTotal
from quadra.ingest.wire import Refused
from tests.ingest.conftest import opened

SAMPLES = Path(__file__).parent / "samples" / "histories"


def brought(path: Path, form: str, said: str | None = None) -> tuple[Result, list[dict[str, Any]]]:
    """A dry run of a file, and its first rows."""
    chosen = mapping.read(said)
    result = Result()
    with closing(Source(str(path))) as source, closing(Ids("secret")) as ids:
        reading = Reading(Visitors("secret"), Times(chosen.time), None, chosen.fields)
        run(formats.read(source, form, reading)[1], project_id=1, ids=ids, log=None, result=result)
    return result, result.first


def whys(result: Result) -> list[str]:
    return [why for _, why, _ in result.refusals]


def test_rows_of_umami_are_page_views_and_events_of_visitors() -> None:
    result, rows = brought(SAMPLES / "umami.csv", "umami")
    assert whys(result) == ["event_name: required, where event_type is not 1"]
    assert rows[0] == {
        "event_id": "e1",
        "kind": "page",
        "event_name": "page_view",
        "event_type": "page_view",
        "occurred_at": "2026-01-31T10:00:00.123Z",
        "user_id": "s-ada",
        "anonymous_id": "s-ada",
        "session_id": "v1",
        "page_url": "https://shop.example/shoes?utm_source=news",
        "page_title": "Shoes",
        "referrer": "https://search.example/search?q=shoes",
        "device_type": "mobile",
        "browser": "Mobile Safari",
        "os": "iOS",
        "language": "de-AT",
        "screen": "390x844",
        "country": "AT",
        "region": "AT-9",
    }
    assert (rows[1]["kind"], rows[1]["event_name"], rows[1]["user_id"]) == ("event", "signup", "ada")
    assert rows[1]["properties"] == {"plan": "pro", "seats": 3, "tag": "b"}
    assert "country" not in rows[2], "a dump writes NULL for no value"
    assert (rows[2]["device_type"], rows[2]["os"], rows[2]["browser"]) == ("desktop", "Windows", "Chrome")


def test_a_page_of_umamis_api_gives_the_same_event_as_its_database() -> None:
    ((row,), first) = (
        brought(SAMPLES / "umami_api.json", "umami")[1],
        brought(SAMPLES / "umami.csv", "umami")[1][0],
    )
    differs = {name for name in {*row, *first} if row.get(name) != first.get(name)}
    assert differs == {"session_id", "language", "screen", "region"}, "which its API does not say"


def test_events_of_posthog_are_read_as_its_door_reads_them_without_addresses_and_the_person() -> None:
    result, rows = brought(SAMPLES / "posthog.jsonl", "posthog")
    assert whys(result) == ["distinct_id: required", "timestamp: required"]
    page, identify, order = rows
    assert (page["kind"], page["anonymous_id"], page["user_id"]) == ("page", "anon-1", "anon-1")
    assert (page["country"], page["region"], page["browser"]) == ("AT", "Vienna", "Mobile Safari")
    assert page["occurred_at"] == "2026-01-31T10:00:00.123Z"
    assert "203.0.113.7" not in json.dumps(page)
    assert "ada@shop.example" not in json.dumps(page)
    assert (identify["kind"], identify["user_id"], identify["anonymous_id"]) == ("identify", "ada", "anon-1")
    assert order["properties"]["total"] == 19.9


def test_parquet_of_posthog_holds_the_same_events(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (SAMPLES / "posthog.jsonl").read_text().splitlines()][:3]
    names = ("uuid", "event", "distinct_id", "timestamp")
    table = {name: [line[name] for line in lines] for name in names}
    table["properties"] = [json.dumps(line["properties"]) for line in lines]
    pq.write_table(pa.table(table), tmp_path / "events.parquet")
    assert brought(tmp_path / "events.parquet", "posthog")[1] == brought(SAMPLES / "posthog.jsonl", "posthog")[1]


def test_a_visit_of_matomo_is_a_session_and_each_of_its_actions_an_event() -> None:
    result, rows = brought(SAMPLES / "matomo.json", "matomo")
    assert whys(result) == ["actionDetails: must be a list, not null"]
    assert [(row["kind"], row["event_name"], row.get("value")) for row in rows] == [
        ("page", "page_view", None),
        ("event", "add", 19.9),
        ("event", "site_search", None),
        ("event", "outbound_click", None),
        ("event", "goal", 5.0),
        ("event", "order", 19.9),
        ("page", "page_view", None),
    ]
    assert {row["session_id"] for row in rows} == {"matomo-7", "matomo-8"}
    assert len({row["event_id"] for row in rows}) == 7, "a goal is told from the action that reached it"
    first, last = rows[0], rows[-1]
    assert first["page_url"] == "https://shop.example/shoes?id=7&utm_campaign=spring&utm_term=shoes#top"
    assert (first["referrer"], first["country"], first["device_type"]) == ("https://search.example/", "AT", "mobile")
    assert "203.0.113.7" not in json.dumps(rows)
    assert (last["user_id"], last["anonymous_id"]) == ("ada", "c3d4")
    assert "country" not in last


def test_columns_of_any_table_are_mapped_by_name() -> None:
    rows = brought(SAMPLES / "own.csv", "auto", "event=name,user=uid,time=ts,value=amount")[1]
    assert [(row["event_name"], row["user_id"], row["value"], row["occurred_at"]) for row in rows] == [
        ("order", "ada", 19.9, "2026-01-31T10:00:00.000Z"),
        ("order", "eve", 5.5, "2026-01-31T10:01:00.000Z"),
    ]
    assert rows[0]["page_url"] == "https://shop.example/", "what --map does not name is found as ever"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("event", "is not FIELD=COLUMN"),
        ("evnt=name", "event is near"),
        ("event=name,event_type=other", "says something twice"),
        ("event=name,user=name", "says something twice"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_said(said: str, why: str) -> None:
    with pytest.raises(Invalid, match="--map cannot be read") as caught:
        mapping.read(said)
    assert why in caught.value.message


def test_a_mapping_is_of_columns_that_are_there_and_of_csv() -> None:
    with pytest.raises(Invalid, match="has no column who"):
        brought(SAMPLES / "own.csv", "auto", "event=name,user=who,time=ts")
    with pytest.raises(Invalid, match="--map is for csv"):
        brought(SAMPLES / "posthog.jsonl", "posthog", "event=name")


def test_a_second_reading_gives_the_same_ids() -> None:
    for name, form in (("umami.csv", "umami"), ("posthog.jsonl", "posthog"), ("matomo.json", "matomo")):
        assert brought(SAMPLES / name, form)[1] == brought(SAMPLES / name, form)[1]


def test_many_rows_of_one_statement_are_the_same_as_one_by_one(tmp_path: Path) -> None:
    rows = []
    for name, form in (("umami.csv", "umami"), ("posthog.jsonl", "posthog"), ("matomo.json", "matomo")):
        with closing(Source(str(SAMPLES / name))) as source, closing(Ids("secret")) as ids:
            found = formats.read(source, form, Reading(Visitors("secret"), Times()))[1]
            for item in found:
                if not isinstance(item.fields, Refused):
                    rows.append(
                        accept(
                            _wire(_identified(item.fields, item.identity, ids)),
                            Sender(1, "import", *item.agent),
                            1_800_000_000_000_000,
                        )
                    )
    kept = []
    for at_once in (1, len(rows)):
        with opened(f"sqlite:///{tmp_path / str(at_once)}.db") as database:
            log = Log(database, writer="w", batch_max_events=100)
            for at in range(0, len(rows), at_once):
                assert not any(duplicate for _, duplicate in log.append(rows[at : at + at_once]).outcomes)
            assert all(duplicate for _, duplicate in log.append(rows).outcomes)
            with database.read() as session:
                table = sa.select(Event.__table__).order_by(Event.event_id)
                kept.append([{**row, "batch_id": ""} for row in session.execute(table).mappings()])
    assert kept[0] == kept[1]
    assert len(kept[0]) == len(rows) > 10


def counted(database: Database | None, name: str, tool: str) -> Result:
    result = Result()
    with closing(Source(str(SAMPLES / name))) as source:
        found = formats.read(source, tool, Reading(Visitors("secret"), Times()))[1]
        assert isinstance(found, totals.Counted)
        totals.run(found, project_id=1, database=database, result=result)
    return result


def test_what_plausible_and_ga4_counted_becomes_daily_totals_and_nobodys_events(tmp_path: Path) -> None:
    files = [
        ("imported_visitors_20260130_20260131.csv", "plausible"),
        ("imported_sources_20260130_20260131.csv", "plausible"),
        ("ga4_traffic.csv", "ga4"),
    ]
    with opened(f"sqlite:///{tmp_path}/q.db") as database:
        first = [counted(database, *one) for one in files]
        again = [counted(database, *one) for one in files]
        with database.read() as session:
            rows = session.scalars(sa.select(ImportedTotal).order_by(ImportedTotal.tool, ImportedTotal.day)).all()
            assert session.scalar(sa.select(sa.func.count()).select_from(Event)) == 0
    assert [(one.stored, one.duplicates, one.refused) for one in first] == [(2, 0, 2), (2, 0, 0), (5, 0, 1)]
    assert [(one.stored, one.duplicates) for one in again] == [(0, 2), (0, 2), (0, 5)]
    assert whys(first[0]) == [
        "date: must be a day such as 2026-01-31, not '2026-02-30'",
        "visitors: must be a number, not 'many'",
    ]
    assert whys(first[2]) == ["this table has no day: add the dimension Date to the report"]
    kept = [(row.tool, row.day, row.report, row.dimensions, row.metrics) for row in rows]
    days = (
        {"session_default_channel_group": "Organic Search"},
        {"sessions": 90, "engaged_sessions": 70, "event_count": 810},
    )
    assert ("ga4", "2026-01-31", "session_default_channel_group", *days) in kept
    assert ("ga4", "2026-01-31", "", {}, {"active_users": 140}) in kept
    plain = {"visitors": 120, "pageviews": 300, "bounces": 40, "visits": 130, "visit_duration": 9000}
    assert ("plausible", "2026-01-30", "", {}, plain) in kept


def test_a_file_that_is_no_table_of_totals_is_refused_as_a_whole() -> None:
    with pytest.raises(Invalid, match="no CSV of a Plausible export"):
        counted(None, "own.csv", "plausible")


def test_a_dry_run_of_totals_shows_them() -> None:
    result = counted(None, "imported_visitors_20260130_20260131.csv", "plausible")
    assert list(result.first[0].items())[:3] == [("day", "2026-01-30"), ("visitors", 120), ("pageviews", 300)]
    assert (result.accepted, result.stored) == (2, 0)


def test_a_column_that_map_names_and_is_not_there_is_said_before_a_time_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("name,uid,ts\nsignup,ada,2026-01-31\n")
    with pytest.raises(Invalid, match="has no column nam, which --map names"):
        brought(tmp_path / "table.csv", "csv", "event=nam")
