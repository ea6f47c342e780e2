"""The export: every format says the same, safe for spreadsheets, of one moment, in bounded memory, of nobody who was erased."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from flask import Flask
from flask.testing import FlaskClient

from quadra.accounts import room as accounts
from quadra.accounts.audit import list_entries
from quadra.accounts.keys import make_key
from quadra.accounts.projects import get_project
from quadra.analytics import room
from quadra.analytics.export import COLUMNS, FORMATS, read, sql
from quadra.analytics.export_stream import Pieces
from quadra.analytics.questions.matching import Parameters
from quadra.core.api.raw_params import raw_params
from quadra.core.rooms import open_rooms
from quadra.core.web import http
from quadra.warehouse.erasure.jobs import request_erasure
from quadra.warehouse.query import parts
from quadra.warehouse.query.engine import EXPORTS_AT_ONCE, warehouse_of
from tests.analytics.conftest import Place
from tests.analytics.reference import ev

As = Callable[..., dict[str, str]]
MARCH = "from=2026-03-01&to=2026-03-31"


@pytest.fixture(scope="module")
def client(place: Place) -> FlaskClient:
    app = Flask("test")
    app.extensions["quadra"] = place.runtime
    http.set_up(app)
    open_rooms(app, place.runtime, accounts, room)
    return app.test_client()


@pytest.fixture
def as_(place: Place) -> As:
    def headers(slug: str, scope: str = "read") -> dict[str, str]:
        with place.runtime.database.begin() as session:
            _, plain = make_key(session, project=get_project(session, slug), scope=scope)
        return {"Authorization": f"Bearer {plain}"}

    return headers


@pytest.fixture
def exported(client: FlaskClient, as_: As) -> Callable[..., Any]:
    """`exported(slug, "csv", "kind=page")`: what the file holds, as its own reader reads it."""

    def ask(slug: str, form: str, more: str = MARCH) -> Any:
        answer = client.get(f"/api/analytics/export?format={form}&{more}", headers=as_(slug))
        assert answer.status_code == 200, answer.text
        if form == "csv":
            return list(csv.DictReader(io.StringIO(answer.text, newline="")))
        if form == "parquet":
            return sorted(pq.read_table(io.BytesIO(answer.data)).to_pylist(), key=lambda row: row["occurred_at"])
        return json.loads(answer.text) if form == "json" else [json.loads(line) for line in answer.text.splitlines()]

    return ask


HISTORY = [
    ev("v", "2026-03-04 10:00", "b", big=12345678901234567890, deep={"a": [1, None, 'quote"']}),
    ev("u", "2026-03-02 10:00", "a", plan="pro"),
    ev("u", "2026-03-02 09:00", "a", text="two\nlines, and a comma"),
]


def test_every_format_holds_the_same_events_in_order(exported: Any, place: Place) -> None:
    project = place.tell(HISTORY)
    for compacted in (False, True):
        if compacted:
            place.compact(project)
        rows = exported(project.slug, "json")
        assert [row["event_name"] for row in rows] == ["a", "a", "b"]
        assert [row["occurred_at"] for row in rows[:2]] == [
            "2026-03-02T09:00:00.000000Z",
            "2026-03-02T10:00:00.000000Z",
        ]
        assert rows[0]["properties"] == {"text": "two\nlines, and a comma"}
        assert rows[2]["properties"] == {"big": 12345678901234567890, "deep": {"a": [1, None, 'quote"']}}
        assert list(rows[0]) == list(COLUMNS)
        assert exported(project.slug, "ndjson") == rows
        told = exported(project.slug, "csv")
        assert list(told[0]) == list(COLUMNS)
        for row, cells in zip(rows, told, strict=True):
            for name in ("event_id", "user_id", "event_name", "occurred_at", "kind"):
                assert cells[name] == row[name]
            assert json.loads(cells["properties"]) == row["properties"]
            assert cells["bot"] == "false"
        typed = exported(project.slug, "parquet")
        assert [row["event_id"] for row in typed] == [row["event_id"] for row in rows]
        assert [json.loads(row["properties"]) for row in typed] == [row["properties"] for row in rows]


def test_no_file_of_an_export_stays_on_the_disk(exported: Any, place: Place) -> None:
    """Whole or broken off: the file has no name any more before its first piece goes out."""
    project = place.tell(HISTORY)
    spill = place.runtime.settings.data_dir / "spill"
    assert len(exported(project.slug, "parquet")) == len(HISTORY)
    assert list(spill.glob("export-*")) == []
    asked = raw_params([("from", "2026-03-02"), ("to", "2026-03-05"), ("format", "parquet")])
    pieces = Pieces(place.runtime, read(asked, project))
    assert list(spill.glob("export-*")) == []
    pieces.close()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_no_cell_of_a_spreadsheet_begins_a_formula(exported: Any, place: Place, start: str) -> None:
    text = f'{start}HYPERLINK("http://x","y")'
    fields = {"page_title": text, "page_url": text, "category": text}
    project = place.tell([replace(ev(f"{start}u", "2026-03-02 09:00", text, **{text: text}), fields=fields)])
    cells = exported(project.slug, "csv")[0]
    for cell in cells.values():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert cells["page_title"] == f"'{text}"
    assert exported(project.slug, "json")[0]["page_title"] == text


def test_an_export_takes_the_range_and_the_filters_of_a_question(exported: Any, place: Place) -> None:
    project = place.tell([*HISTORY, replace(ev("w", "2026-03-06 10:00", "c"), kind="page", fields={"page_url": "/x"})])
    names = {
        "kind=page": ["c"],
        "kind=page,event": ["a", "a", "b", "c"],
        "event=a&where[plan]=pro": ["a"],
        "where[plan]=": ["a", "b", "c"],
        "from=2026-03-02T09:30:00Z": ["a", "b", "c"],
        "to=2026-03-05": ["a", "a", "b"],
        "timezone=Asia/Tehran&to=2026-03-02T13:31": ["a", "a"],
    }
    for more, wanted in names.items():
        bounds = "&".join(part for part in MARCH.split("&") if part.partition("=")[0] + "=" not in more)
        for form in FORMATS:
            assert [row["event_name"] for row in exported(project.slug, form, f"{bounds}&{more}")] == wanted


def test_an_export_of_nothing_is_a_file_of_nothing(exported: Any, place: Place) -> None:
    slug = place.project().slug
    for form in FORMATS:
        assert exported(slug, form) == []


def test_wrong_parameters_are_named(client: FlaskClient, as_: As, place: Place) -> None:
    answer = client.get("/api/analytics/export?format=xls&kind=dreams&from=x", headers=as_(place.project().slug))
    assert answer.status_code == 400
    assert set(answer.json["error"]["fields"]) == {"format", "kind", "from"}


@pytest.mark.parametrize("prefix", ["/api/analytics", "/api/v2/analytics"])
def test_an_export_is_for_viewers_of_that_project_and_noted(
    client: FlaskClient, as_: As, place: Place, prefix: str
) -> None:
    mine, other = place.tell(HISTORY), place.tell(HISTORY)
    address = f"{prefix}/export?{MARCH}"
    assert client.get(address).status_code == 401
    assert client.get(address, headers=as_(mine.slug, "ingest")).status_code == 403
    assert client.get(f"{address}&project={other.slug}", headers=as_(mine.slug)).status_code == 404
    answer = client.get(address, headers=as_(mine.slug))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    name = f"quadra-{mine.slug}-2026-03-01-2026-03-31.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    with place.runtime.database.read() as session:
        noted = list_entries(session, project_id=mine.id, action="analytics.events.exported")
    assert [entry.subject for entry in noted] == [name]
    assert client.head(address, headers=as_(mine.slug)).status_code == 200


def test_whoever_asked_to_be_erased_is_not_exported_though_it_is_not_done(exported: Any, place: Place) -> None:
    told = [
        ev("v", "2026-03-02 09:00"),
        ev("u", "2026-03-02 10:00"),
        replace(ev("u", "2026-03-02 11:00"), anonymous_id="cookie"),
        ev("cookie", "2026-03-02 08:00"),
        ev(None, "2026-03-02 12:00"),
    ]
    project = place.tell(told)
    with place.runtime.database.begin() as session:
        request_erasure(session, project.id, "cookie", max_attempts=5)
    for form in FORMATS:
        assert [row["user_id"] or None for row in exported(project.slug, form)] == ["v", None]


def test_an_export_is_of_one_moment(place: Place) -> None:
    project = place.tell([ev("u", "2026-03-02 10:00"), ev("u", "2026-03-03 10:00")])
    pieces = _pieces(place, project.slug)
    assert next(pieces).startswith(b"event_id")
    place.append(project, [ev("u", "2026-03-04 10:00")])
    place.compact(project)
    assert b"".join(pieces).count(b"\n") == 2


def test_a_reader_who_leaves_gives_the_turn_back(place: Place) -> None:
    project = place.tell(HISTORY)
    for _ in range(EXPORTS_AT_ONCE * 2):
        pieces = _pieces(place, project.slug)
        next(pieces)
        pieces.close()
    exports = warehouse_of(place.runtime)._exports
    assert all(exports.acquire(blocking=False) for _ in range(EXPORTS_AT_ONCE))
    exports.release(EXPORTS_AT_ONCE)


def test_exports_that_are_not_read_hold_no_question_up(client: FlaskClient, as_: As, place: Place) -> None:
    project = place.tell(HISTORY)
    held = [_pieces(place, project.slug) for _ in range(EXPORTS_AT_ONCE)]
    headers = as_(project.slug)
    assert client.get(f"/api/analytics/trends?{MARCH}", headers=headers).status_code == 200
    for pieces in held:
        pieces.close()


def test_what_is_wrong_is_told_while_there_is_a_status(
    client: FlaskClient, as_: As, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = place.tell(HISTORY)
    monkeypatch.setattr("quadra.warehouse.query.engine.WAIT_SECONDS", 0.01)
    held = [_pieces(place, project.slug) for _ in range(EXPORTS_AT_ONCE)]
    answer = client.get(f"/api/analytics/export?{MARCH}", headers=as_(project.slug))
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "busy")
    assert answer.headers["Retry-After"]
    for pieces in held:
        pieces.close()


def _pieces(place: Place, slug: str) -> Pieces:
    with place.runtime.database.read() as session:
        project = get_project(session, slug)
    asked = read(raw_params([("from", "2026-03-01"), ("to", "2026-03-31")]), project)
    return Pieces(place.runtime, asked)


def test_erasures_that_wait_do_not_make_the_statement_longer(place: Place) -> None:
    project = place.tell(HISTORY)
    asked = read(raw_params([("format", "csv")]), project)
    few, many = ([(f"user-{number}", number) for number in range(count)] for count in (1, 5_000))
    assert len(sql(asked, Parameters(), many)) <= len(sql(asked, Parameters(), few)) + 2
    with warehouse_of(place.runtime).look(project.id, export=True) as look:
        params = Parameters()
        statement = sql(asked, params, [*many, ("v", 2**60)])
        rows = [row for batch in look.stream_by_day(statement, params) for row in batch.to_pylist()]
    assert [row["user_id"] for row in rows] == ["u", "u"]


def test_a_day_that_is_sorted_in_parts_has_each_event_once_and_in_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SORTED_ROWS", 7)
    same = [ev("w", "2026-03-02 10:00", f"same{number}") for number in range(20)]  # of one moment
    spread = [ev("w", f"2026-03-02 {hour:02}:{minute:02}", "x") for hour in range(24) for minute in (0, 31)]
    project = place.tell([*spread, *same])
    asked, params = (
        read(raw_params([("format", "csv"), ("from", "2026-03-01"), ("to", "2026-03-31")]), project),
        Parameters(),
    )
    with warehouse_of(place.runtime).look(project.id, export=True) as look:
        statement = sql(asked, params, [])
        rows = [row for batch in look.stream_by_day(statement, params) for row in batch.to_pylist()]
    assert len({row["event_id"] for row in rows}) == len(rows) == 68
    assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)
