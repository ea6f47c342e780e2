"""The contract of HTTP ingest, row by row, against the real server."""

from __future__ import annotations

import base64
import gzip
import json
import urllib.parse
import uuid
from typing import Any

import pytest

from quadra.ingest.doors.routes import TYPED_DOORS
from tests.clients import (
    Answer,
    assert_counts_are_rows,
    database_of,
    event,
    event_id,
    make_key,
    send,
    send_raw,
    stored_ids,
)
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

TYPED: dict[str, dict[str, Any]] = {
    "/api/analytics/user/events/track": {"event_type": "click"},
    "/api/analytics/user/features/track": {"feature_name": "export", "action": "used"},
    "/api/analytics/user/funnels/track": {"funnel_name": "signup", "stage": "start", "stage_order": 1},
    "/api/analytics/user/funnels/complete": {"funnel_name": "signup", "session_id": "s"},
    "/api/analytics/user/journeys/track": {"journey_type": "j", "step_name": "s", "step_order": 1, "session_id": "s"},
    "/api/analytics/user/journeys/complete": {"journey_type": "j", "session_id": "s"},
    "/api/analytics/user/satisfaction/record": {"survey_type": "nps", "score": 9},
}


def counts(answer: Answer) -> tuple[int, int, int]:
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    return tuple(answer.json[name] for name in ("stored", "duplicates", "refused"))  # type: ignore[return-value]


def test_one_event_is_stored_and_a_repetition_is_a_duplicate(quadra: QuadraProcess) -> None:
    body = event()
    assert counts(send(quadra, body=body)) == (1, 0, 0)
    assert counts(send(quadra, body=body)) == (0, 1, 0)
    with database_of(quadra) as database:
        assert stored_ids(database).count(body["eventId"]) == 1
        assert_counts_are_rows(database)


@pytest.mark.parametrize("shape", ["array", "envelope", "ndjson", "ndjson undeclared", "jsonl"])
def test_many_events_are_stored_in_each_shape(quadra: QuadraProcess, shape: str) -> None:
    events = [event() for _ in range(5)]
    lines = b"\n".join(json.dumps(one).encode() for one in events)
    body: Any = {"array": events, "envelope": {"events": events}}.get(shape, lines)
    kind = {"ndjson": "application/x-ndjson", "jsonl": "application/jsonl"}.get(shape, "application/json")
    assert counts(send(quadra, body=body, Content_Type=kind)) == (5, 0, 0)


def test_gzip_is_unpacked(quadra: QuadraProcess) -> None:
    body = gzip.compress(json.dumps([event(), event()]).encode())
    assert counts(send(quadra, body=body, Content_Encoding="gzip")) == (2, 0, 0)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"plain", {"Content_Encoding": "gzip"}),
        (b"plain", {"Content_Encoding": "br"}),
        (gzip.compress(b"[]", mtime=0)[:-4], {"Content_Encoding": "gzip"}),
        (b"", {}),
        (b"not json", {}),
        (b"[1,", {}),
        (b'{"events": 5}', {}),
        (b"\xff\xfe", {}),
    ],
)
def test_what_can_never_become_valid_is_400(quadra: QuadraProcess, body: bytes, headers: dict[str, str]) -> None:
    answer = send(quadra, body=body, **headers)
    assert answer.status == 400
    assert answer.code == ("encoding" if headers else "invalid")
    assert "Retry-After" not in answer.headers


def test_one_wrong_event_is_400_and_names_its_fields(quadra: QuadraProcess) -> None:
    answer = send(quadra, body=event(eventType=5, timestamp="yesterday"))
    assert (answer.status, answer.code) == (400, "invalid")
    assert set(answer.json["error"]["fields"]) == {"event_type"}
    answer = send(quadra, body=event(timestamp="1999-01-01T00:00:00Z"))
    assert (answer.status, answer.code) == (400, "clock")


def test_of_many_events_the_wrong_ones_are_refused_and_the_others_stored(quadra: QuadraProcess) -> None:
    good, bad = event(), event(userId=[])
    answer = send(quadra, body=[good, bad, None, 5, {}, good])
    assert counts(answer) == (1, 1, 4)
    assert [(one["index"], one["status"]) for one in answer.json["results"]] == [(n, "refused") for n in range(1, 5)]
    assert answer.json["results"][0]["event_id"] == bad["eventId"]
    assert set(answer.json["results"][0]["fields"]) == {"user_id"}
    assert all(one["code"] == "invalid" and one["fields"] and one["message"] for one in answer.json["results"])


def test_results_all_names_every_event_with_its_batch(quadra: QuadraProcess) -> None:
    first, second = event(), event()
    answer = send(quadra, "/api/events?results=all", [first, second, first, {"bad": 1}])
    assert counts(answer) == (2, 1, 1)
    results = answer.json["results"]
    assert [one["status"] for one in results] == ["stored", "stored", "duplicate", "refused"]
    assert [one["index"] for one in results] == [0, 1, 2, 3]
    assert [one["event_id"] for one in results[:3]] == [first["eventId"], second["eventId"], first["eventId"]]
    assert results[0]["batch_id"] == results[2]["batch_id"]


def test_an_empty_array_is_nothing_to_store(quadra: QuadraProcess) -> None:
    assert counts(send(quadra, body=[])) == (0, 0, 0)


def test_an_event_without_id_gets_one(quadra: QuadraProcess) -> None:
    answer = send(quadra, "/api/events?results=all", [{"event_type": "x"}, {"event_type": "x"}])
    first, second = (one["event_id"] for one in answer.json["results"])
    assert first != second
    assert uuid.UUID(first).version == 7


def test_more_than_five_megabytes_are_413_packed_or_not(quadra: QuadraProcess) -> None:
    large = b"[" + b" " * (5 * 2**20) + b"]"
    plain = send(quadra, body=large)
    assert (plain.status, plain.code) == (413, "too_large")
    packed = send(quadra, body=gzip.compress(large), Content_Encoding="gzip")
    assert (packed.status, packed.code) == (413, "too_large")
    assert counts(send(quadra, body=b"[" + b" " * (5 * 2**20 - 2) + b"]")) == (0, 0, 0)


def test_more_than_ten_thousand_events_are_413(quadra: QuadraProcess) -> None:
    answer = send(quadra, body=b"[" + b",".join([b'{"event_type":"x"}'] * 10_001) + b"]")
    assert (answer.status, answer.code) == (413, "too_large")


def chunked(quadra: QuadraProcess, path: str, parts: list[bytes], *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: quadra", "Transfer-Encoding: chunked", "Connection: close", *headers]
    lines.append(f"X-Quadra-Key: {quadra.init['write_key']}")
    body = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in [*parts, b""])
    return send_raw(quadra, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)


@pytest.mark.parametrize("path", ["/api/events", "/api/analytics/user/events/track", "/v1/track"])
def test_a_body_in_chunks_is_read(quadra: QuadraProcess, path: str) -> None:
    wanted = event_id()
    names = {"/v1/track": {"messageId": wanted, "event": "x", "userId": "u"}}
    body = json.dumps(names.get(path) or event(eventId=wanted)).encode()
    answer = chunked(quadra, path, [body[:10], body[10:11], body[11:]], "Content-Type: application/json")
    assert answer.startswith(b"HTTP/1.1 200"), answer
    with database_of(quadra) as database:
        assert wanted in stored_ids(database)


def test_a_body_in_chunks_is_read_off_the_loop_as_well(quadra: QuadraProcess) -> None:
    body = b'{"project":"default","scope":"read","name":"in chunks"}'
    answer = chunked(quadra, "/api/keys", [body[:9], body[9:]], f"Authorization: Bearer {quadra.init['admin_key']}")
    assert b'"name":"in chunks"' in answer, answer


def test_a_body_in_chunks_is_bounded_as_well(quadra: QuadraProcess) -> None:
    answer = chunked(quadra, "/api/events", [b" " * 2**20] * 6)
    assert answer.startswith(b"HTTP/1.1 413"), answer[:200]


def test_a_body_that_ends_early_stores_nothing(quadra: QuadraProcess) -> None:
    wanted = event_id()
    body = json.dumps(event(eventId=wanted)).encode()
    head = f"POST /api/events HTTP/1.1\r\nHost: q\r\nX-Quadra-Key: {quadra.init['write_key']}\r\n"
    send_raw(quadra, head.encode() + b"Content-Length: 5000\r\n\r\n" + body, seconds=0.3)
    assert send(quadra, "/health", method="GET", key=None).status == 200
    with database_of(quadra) as database:
        assert wanted not in stored_ids(database)


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 30])
def test_a_content_length_that_is_none_is_refused(quadra: QuadraProcess, length: str) -> None:
    head = f"POST /api/events HTTP/1.1\r\nHost: q\r\nX-Quadra-Key: {quadra.init['write_key']}\r\nConnection: close\r\n"
    answer = send_raw(quadra, f"{head}Content-Length: {length}\r\n\r\n{{}}".encode(), seconds=30)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.0 400")), answer[:200]


def way_of_the_key(way: str, key: str) -> tuple[str, Any, dict[str, str]]:
    basic = base64.b64encode(f"{key}:".encode()).decode()
    return {
        "header": ("/api/events", event(), {"X_Quadra_Key": key}),
        "bearer": ("/api/events", event(), {"Authorization": f"Bearer {key}"}),
        "basic": ("/api/events", event(), {"Authorization": f"Basic {basic}"}),
        "query": (f"/api/events?key={urllib.parse.quote(key)}", event(), {}),
        "body": ("/api/events", {"api_key": key, "events": [event()]}, {}),
        "body, camel case": ("/api/events", {"writeKey": key, "events": [event()]}, {}),
        "one event": ("/api/events", event(write_key=key), {}),
        "one event, camel case": ("/api/events", event(apiKey=key), {}),
        "first line": (
            "/api/events",
            "\n".join(json.dumps(one) for one in (event(writeKey=key), event())).encode(),
            {},
        ),
    }[way]


WAYS = [
    "header",
    "bearer",
    "basic",
    "query",
    "body",
    "body, camel case",
    "one event",
    "one event, camel case",
    "first line",
]


@pytest.mark.parametrize("way", WAYS)
def test_the_write_key_may_come_in_each_way(quadra: QuadraProcess, way: str) -> None:
    path, body, headers = way_of_the_key(way, quadra.init["write_key"])
    assert counts(send(quadra, path, body, key=None, **headers)) == (1 + (way == "first line"), 0, 0)


def test_a_typed_door_takes_the_key_in_the_body_and_keeps_it_from_the_event(quadra: QuadraProcess) -> None:
    named = event_id("keyed")
    body = {"event_id": named, "feature_name": "export", "action": "used", "user_id": "u", "own": 1}
    for spelling in ("writeKey", "api_key"):
        answer = send(
            quadra, "/api/analytics/user/features/track", body | {spelling: quadra.init["write_key"]}, key=None
        )
        assert answer.status == 200, answer.json
    with database_of(quadra) as database, database.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT properties FROM event WHERE event_id = ?", (named,)).scalar()
    assert json.loads(kept) == {"own": 1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", ["qk_wrong", "", "x" * 5000, "qk_%00\u00e9"])
def test_a_wrong_or_missing_key_is_401_in_each_way(quadra: QuadraProcess, way: str, key: str) -> None:
    if not key.isascii() and way in ("header", "bearer"):
        key = urllib.parse.quote(key)
    path, body, headers = way_of_the_key(way, key)
    answer = send(quadra, path, body, key=None, **headers)
    assert (answer.status, answer.code) == (401, "unauthorised")
    assert answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("credentials", ["Basic ???", "Basic /w==", "Basic", "Digest x"])
def test_an_authorization_header_that_is_nonsense_is_401(quadra: QuadraProcess, credentials: str) -> None:
    assert send(quadra, body=event(), key=None, Authorization=credentials).status == 401


@pytest.mark.parametrize("scope", ["read", "admin"])
def test_a_key_that_is_no_write_key_is_403(quadra: QuadraProcess, scope: str) -> None:
    answer = send(quadra, body=event(), key=make_key(quadra, scope)["key"])
    assert (answer.status, answer.code) == (403, "forbidden")


def test_a_revoked_key_is_401_within_seconds(quadra: QuadraProcess) -> None:
    made = make_key(quadra, "ingest")
    assert send(quadra, body=event(), key=made["key"]).status == 200
    quadra.run("key", "revoke", str(made["id"]))
    eventually(lambda: send(quadra, body=event(), key=made["key"]).status != 200, every=0.1)
    assert send(quadra, body=event(), key=made["key"]).status == 401


def test_a_key_of_some_origins_opens_for_their_pages_only(quadra: QuadraProcess) -> None:
    key = make_key(quadra, "ingest", origins=["https://shop.example", "https://*.shop.example"])["key"]
    for origin in ("https://shop.example", "https://www.shop.example"):
        answer = send(quadra, body=event(), key=key, Origin=origin)
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == origin
    for origin in ("https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"):
        answer = send(quadra, body=event(), key=key, Origin=origin)
        assert (answer.status, answer.code) == (403, "origin")
    assert send(quadra, body=event(), key=key).status == 403


@pytest.mark.parametrize("path", ["/api/events", *TYPED_DOORS, "/v1/track", "/batch/", "/capture/", "/flags/"])
def test_a_page_of_any_origin_may_ask_first(quadra: QuadraProcess, path: str) -> None:
    answer = send(
        quadra,
        path,
        key=None,
        method="OPTIONS",
        Origin="https://shop.example",
        Access_Control_Request_Method="POST",
        # what tracing libraries add to each request of a page
        Access_Control_Request_Headers="x-quadra-key,content-type,sentry-trace,baggage,traceparent,tracestate",
    )
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] in ("https://shop.example", "*")
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"x-quadra-key", "content-type", "sentry-trace", "baggage", "traceparent", "tracestate"} <= allowed
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_errors_can_be_read_by_a_page_too(quadra: QuadraProcess) -> None:
    for path in ("/api/events", "/api/analytics/user/events/track"):
        answer = send(quadra, path, event(), key="qk_wrong", Origin="https://shop.example")
        assert answer.status == 401
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("path", ["/api/events", "/api/analytics/user/events/track", "/health", "/nothing"])
def test_a_request_id_that_came_is_taken_over_and_else_one_is_made(quadra: QuadraProcess, path: str) -> None:
    method = "POST" if path.startswith("/api") else "GET"
    assert send(quadra, path, event(), method=method, X_Request_ID="mine-1.2_3").headers["X-Request-ID"] == "mine-1.2_3"
    for nonsense in ("", "a b", "x" * 129, "<script>", "\u00e9"):
        made = send(quadra, path, event(), method=method, X_Request_ID=nonsense).headers["X-Request-ID"]
        assert uuid.UUID(made).version == 7


@pytest.mark.parametrize("path", ["/api/events", "/api/analytics/user/events/track"])
@pytest.mark.parametrize("header", ["X-Request-ID", "Origin", "X-Quadra-Key", "User-Agent"])
@pytest.mark.parametrize("fold", ["\r\n ", "\n ", "\r", "\x00", "\x0b"])
def test_a_header_cannot_break_out_of_its_line(quadra: QuadraProcess, path: str, header: str, fold: str) -> None:
    key = f"X-Quadra-Key: {quadra.init['write_key']}\r\n" if header != "X-Quadra-Key" else ""
    request = f"POST {path} HTTP/1.1\r\nHost: q\r\n{key}{header}: https://a.example{fold}Injected: yes\r\n"
    body = json.dumps(event())
    answer = send_raw(quadra, f"{request}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
    head = answer.partition(b"\r\n\r\n")[0]
    lines = head.splitlines()[1:]  # as the most lenient of clients would split them
    assert not any(line.strip().lower().startswith(b"injected") for line in lines), head
    assert head.split()[1] in (b"200", b"400", b"401", b"403"), head


@pytest.mark.parametrize("path", TYPED)
def test_a_typed_door_stores_its_kind_once(quadra: QuadraProcess, path: str) -> None:
    body = {**TYPED[path], "eventId": event_id(), "userId": "u1"}
    first, second = send(quadra, path, body), send(quadra, path, body)
    assert first.json == {"success": True, "event_id": body["eventId"], "duplicate": False}
    assert second.json["duplicate"] is True
    with database_of(quadra) as database, database.engine.connect() as connection:
        kind = connection.exec_driver_sql("SELECT kind FROM event WHERE event_id = ?", (body["eventId"],)).scalar()
    assert kind == TYPED_DOORS[path][0]


def test_every_typed_door_is_tried_here() -> None:
    assert set(TYPED) == set(TYPED_DOORS)


@pytest.mark.parametrize("path", TYPED)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"{", b'"x"', b"[" * 50_000, b'{"a":' * 50_000])
def test_a_typed_door_refuses_what_is_no_such_event(quadra: QuadraProcess, path: str, body: bytes) -> None:
    answer = send(quadra, path, body)
    assert (answer.status, answer.code) == (400, "invalid")


def test_a_typed_door_names_the_fields_it_misses(quadra: QuadraProcess) -> None:
    answer = send(quadra, "/api/analytics/user/features/track", {"action": "used"})
    assert set(answer.json["error"]["fields"]) == {"feature_name"}


@pytest.mark.parametrize("levels", [9, 300, 480, 900, 990, 100_000])
@pytest.mark.parametrize("field", ["properties", "context", "new"])
@pytest.mark.parametrize("path", ["/api/events", "/api/analytics/user/events/track"])
def test_an_event_of_any_depth_is_refused_and_not_a_mistake(
    quadra: QuadraProcess, path: str, field: str, levels: int
) -> None:
    nested = '{"a":' * levels + "1" + "}" * levels
    answer = send(quadra, path, f'{{"event_type":"\\u0041","{field}":{nested}}}'.encode())
    assert (answer.status, answer.code) == (400, "invalid")


def test_another_method_is_405_and_an_unknown_path_404_in_the_one_shape(quadra: QuadraProcess) -> None:
    assert send(quadra, method="PUT", body=event()).code == "method_not_allowed"
    assert send(quadra, "/api/nothing", method="GET").code == "not_found"


def test_a_connection_serves_many_requests_and_goes_on_after_a_refusal(quadra: QuadraProcess) -> None:
    key = quadra.init["write_key"]

    def one(body: bytes) -> bytes:
        return (
            f"POST /api/events HTTP/1.1\r\nHost: q\r\nX-Quadra-Key: {key}\r\nContent-Length: {len(body)}\r\n".encode()
        )

    bodies = [json.dumps(event()).encode(), b"nonsense", json.dumps(event()).encode()]
    request = b"".join(one(body) + b"\r\n" + body for body in bodies)
    close = b"GET /health HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n"
    answer = send_raw(quadra, request + close)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"200", b"200"]
