"""Socket.IO ingest with the official client: whatever is sent gets exactly one answer, and it is true."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import socketio.exceptions
from websocket import WebSocket, create_connection

from tests.clients import (
    assert_counts_are_rows,
    connected,
    database_of,
    event,
    event_id,
    eventually,
    make_key,
    stored_ids,
)
from tests.servers.quadra import QuadraProcess

JUNK: dict[str, Any] = {
    "null": None,
    "text": "hello",
    "number": 5,
    "float": 1.5,
    "boolean": True,
    "empty list": [],
    "list": [1, 2],
    "empty object": {},
    "object in an object": {"event": {"eventId": "x"}},
    "bytes": b"\x00\xff",
    "bytes within": {"eventId": "x", "eventType": "y", "userId": "u", "timestamp": b"\x00"},
    "wrong types": {"eventId": 1, "eventType": [], "userId": {}},
    "no user": {"eventId": "x", "eventType": "y"},
    "no id": {"eventType": "y", "userId": "u"},
    "no type": {"eventId": "x", "userId": "u"},
    "old": {"eventId": "x", "eventType": "y", "userId": "u", "timestamp": "1999-01-01T00:00:00Z"},
    "deep": {"eventId": "x", "eventType": "y", "userId": "u", "metadata": json.loads("[" * 200 + "]" * 200)},
    "long": "x" * 100_000,
    "odd text": '\u0000\u2028\U0001f600"]\\',
    "two arguments": ("a", "b"),
    "an event and more": (None, {"eventId": "x"}),
}
transports = pytest.mark.parametrize("transport", ["websocket", "polling"])


@transports
def test_an_event_is_acknowledged_with_its_batch_and_stored(quadra: QuadraProcess, transport: str) -> None:
    one = event()
    with connected(quadra, transports=(transport,)) as client:
        first = client.call("user:event", one)
        second = client.call("user:event", one)
    assert first == {"eventId": one["eventId"], "batchId": first["batchId"], "duplicate": False}
    assert second == {**first, "duplicate": True}
    with database_of(quadra) as database:
        assert stored_ids(database).count(one["eventId"]) == 1


@transports
def test_without_a_callback_the_answer_is_an_event_of_its_own(quadra: QuadraProcess, transport: str) -> None:
    one = event()
    with connected(quadra, transports=(transport,)) as client:
        client.emit("user:event", one)
        client.emit("user:event", None)
        client.wait_for(lambda: len(client.heard) == 2)
        time.sleep(0.1)
        assert len(client.heard) == 2
        (stored,), (failed,) = client.payloads("event:ack"), client.payloads("event:error")
    assert stored["eventId"] == one["eventId"]
    assert stored["duplicate"] is False
    assert set(failed) == {"eventId", "code", "error", "fields"}


@transports
@pytest.mark.parametrize("name", ["user:event", "user:events", "nonsense"])
def test_every_junk_gets_exactly_one_answer_with_and_without_callback(
    quadra: QuadraProcess, transport: str, name: str
) -> None:
    acknowledged: list[Any] = []
    with connected(quadra, transports=(transport,)) as client:
        for payload in JUNK.values():
            client.emit(name, payload, acknowledged.append)
            client.emit(name, payload)
        client.wait_for(lambda: len(acknowledged) + len(client.heard) >= 2 * len(JUNK))
        one = event()
        assert client.call("user:event", one)["eventId"] == one["eventId"]
        time.sleep(0.2)
        assert len(acknowledged) == len(client.heard) == len(JUNK)
    for answer in (*acknowledged, *(payload for _, payload in client.heard)):
        assert isinstance(answer, dict)
        if "stored" in answer:
            assert name == "user:events"
            assert answer["stored"] == 0
        else:
            assert answer["code"] in ("invalid", "clock", "unknown_event")
            assert answer["error"]


def test_a_refusal_names_the_fields_in_camel_case(quadra: QuadraProcess) -> None:
    with connected(quadra) as client:
        answer = client.call("user:event", {"eventId": "x", "eventType": 5})
        assert (answer["eventId"], answer["code"], set(answer["fields"])) == ("x", "invalid", {"eventType"})
        answer = client.call("user:event", {"eventType": "y"})
        assert set(answer["fields"]) == {"eventId", "userId"}


@transports
def test_an_array_gets_one_answer_that_counts(quadra: QuadraProcess, transport: str) -> None:
    first, second = event(), event()
    with connected(quadra, transports=(transport,)) as client:
        answer = client.call("user:events", [first, second, first, {"eventId": "bad"}, None])
        assert (answer["stored"], answer["duplicates"]) == (2, 1)
        assert [one["eventId"] for one in answer["refused"]] == ["bad", None]
        assert all(set(one) == {"eventId", "code", "error", "fields"} for one in answer["refused"])
        again = client.call("user:events", [first, second])
        assert again == {"stored": 0, "duplicates": 2, "refused": []}
        assert client.call("user:events", []) == {"stored": 0, "duplicates": 0, "refused": []}
        client.emit("user:events", [event()])
        client.wait_for(lambda: client.heard)
        assert client.heard == [("event:ack", {"stored": 1, "duplicates": 0, "refused": []})]


@transports
def test_two_hundred_events_emitted_at_once_are_all_answered(quadra: QuadraProcess, transport: str) -> None:
    sent = [event() for _ in range(200)]
    acknowledged: list[Any] = []
    with connected(quadra, transports=(transport,)) as client:
        for at, one in enumerate(sent):
            client.emit("user:event", one, acknowledged.append if at % 2 else None)
        client.wait_for(lambda: len(acknowledged) + len(client.heard) >= 200)
        time.sleep(0.1)
        assert len(acknowledged) == len(client.heard) == 100
    answered = {one["eventId"] for one in (*acknowledged, *client.payloads("event:ack"))}
    assert answered == {one["eventId"] for one in sent}
    with database_of(quadra) as database:
        assert answered <= set(stored_ids(database))
        assert_counts_are_rows(database)


def test_a_binary_attachment_in_the_properties_is_stored(quadra: QuadraProcess) -> None:
    with connected(quadra) as client:
        one = event(metadata={"blob": b"\x00\x01", "more": [b"\xff"]})
        assert client.call("user:event", one)["duplicate"] is False


NO_KEYS: list[Any] = [{"key": "qk_wrong"}, {"key": ""}, {}, {"key": 5}, {"key": "qk_\u00e9"}, "text", []]


# over polling once: refused there, the client may wait for the answer to its open poll, which ends at the next ping
@pytest.mark.parametrize(("auth", "transport"), [*((auth, "websocket") for auth in NO_KEYS), (NO_KEYS[0], "polling")])
def test_without_a_good_key_there_is_no_connection(quadra: QuadraProcess, auth: Any, transport: str) -> None:
    with (
        pytest.raises(socketio.exceptions.ConnectionError),
        connected(quadra, auth=auth, transports=(transport,)),
    ):
        pass


def test_the_key_may_come_in_a_header_of_the_handshake(quadra: QuadraProcess) -> None:
    with connected(quadra, auth={}, headers={"X-Quadra-Key": quadra.init["write_key"]}) as client:
        assert client.call("user:event", event())["duplicate"] is False


def test_a_read_key_sends_nothing(quadra: QuadraProcess) -> None:
    made = make_key(quadra, "read")
    with pytest.raises(socketio.exceptions.ConnectionError), connected(quadra, auth={"key": made["key"]}):
        pass


def test_a_key_of_some_origins_is_opened_by_their_pages_only(quadra: QuadraProcess) -> None:
    auth = {"key": make_key(quadra, "ingest", origins=["https://shop.example"])["key"]}
    for transport in ("websocket", "polling"):
        with connected(
            quadra, auth=auth, headers={"Origin": "https://shop.example"}, transports=(transport,)
        ) as client:
            assert client.call("user:event", event())["duplicate"] is False
        for headers in ({"Origin": "https://evil.example"}, {}):
            with (
                pytest.raises(socketio.exceptions.ConnectionError),
                connected(quadra, auth=auth, headers=headers, transports=(transport,)),
            ):
                pass


def test_a_key_that_is_revoked_meanwhile_stops_being_taken(quadra: QuadraProcess) -> None:
    made = make_key(quadra, "ingest")
    with connected(quadra, auth={"key": made["key"]}) as client:
        assert "batchId" in client.call("user:event", event())
        quadra.run("key", "revoke", str(made["id"]))
        eventually(lambda: client.call("user:event", event()).get("code") == "unauthorised")
        one = event()
        none = client.call("user:events", [one, {"eventId": "bad", "timestamp": []}])
        assert (none["code"], none["stored"], none["duplicates"]) == ("unauthorised", 0, 0)
        assert [(each["eventId"], each["code"]) for each in none["refused"]] == [
            ("bad", "invalid"),
            (one["eventId"], "unauthorised"),
        ]


@contextlib.contextmanager
def raw_socket(quadra: QuadraProcess) -> Iterator[WebSocket]:
    """The protocol by hand, connected to the namespace `/`."""
    url = f"ws://127.0.0.1:{quadra.port}/socket.io/?EIO=4&transport=websocket"
    connection = create_connection(url, timeout=90)
    try:
        assert connection.recv().startswith("0")
        connection.send("40" + json.dumps({"key": quadra.init["write_key"]}))
        assert connection.recv().startswith("40")
        yield connection
    finally:
        connection.close()


@pytest.mark.parametrize(
    "packet",
    [
        '42["user:event"]',
        '421["user:event"]',
        "42[]",
        "427[]",
        '42["user:event",]',
        '42["user:event",{"eventId":"x"',
        '42["user:event",{"eventId":"x"}] ',
        '42["user:event",{"eventId":"x"},]',
        '42 ["user:event",{}]',
        "42[null,{}]",
        '42[{"a":1},{}]',
        '42["user:events",[{"eventId":"x"},]',
        '42["user:event",NaN]',
        '42["user:event",{"eventType":"\\ud800"}]',
        "42[" + "[" * 5_000,
        '42["user:event",' + '{"metadata":' * 3_000 + "1" + "}" * 3_000 + "]",
        '42/,["user:event",{}]',
        '421["' + "x" * 10_000 + '"]',
        '4299999999999999999["user:event",{}]',
        "42garbage",
        "42",
        "42/live,[garbage",
        "4x",
    ],
)
def test_a_packet_by_hand_gets_exactly_one_answer(quadra: QuadraProcess, packet: str) -> None:
    with raw_socket(quadra) as connection:
        connection.send(packet)
        connection.send('42["user:event",' + json.dumps(event(eventId=event_id("after"))) + "]")
        answers = [connection.recv(), connection.recv()]
        connection.settimeout(0.2)
        with pytest.raises(Exception, match="timed out"):
            connection.recv()
    assert len([answer for answer in answers if '"after-' in answer]) == 1, answers
    (other,) = (answer for answer in answers if '"after-' not in answer)
    assert '"code":"' in other


@pytest.mark.parametrize(
    "bad", ['"value":NaN', '"metadata":{"a":Infinity}', '"metadata":{"a":"\\ud800"}', '"a":"\\ud800"']
)
def test_one_bad_event_in_an_array_is_refused_alone_and_by_its_id(quadra: QuadraProcess, bad: str) -> None:
    first, last = event(eventId=event_id("first")), event(eventId=event_id("last"))
    broken = f'{{"eventId":"broken","eventType":"x","userId":"u",{bad}}}'
    with raw_socket(quadra) as connection:
        connection.send(f'421["user:events",[{json.dumps(first)},{broken},{json.dumps(last)}]]')
        answer = json.loads(connection.recv().removeprefix("431"))[0]
    assert (answer["stored"], answer["duplicates"]) == (2, 0), answer
    assert [one["eventId"] for one in answer["refused"]] == ["broken"], answer
    with database_of(quadra) as database:
        assert {first["eventId"], last["eventId"]} <= set(stored_ids(database))


@pytest.mark.parametrize("levels", [300, 490, 700, *range(900, 1010, 9)])
@pytest.mark.parametrize("field", ["metadata", "context", "new"])
def test_an_event_of_any_depth_is_answered(quadra: QuadraProcess, field: str, levels: int) -> None:
    with raw_socket(quadra) as connection:
        for name in ("x", "\\u0041"):
            nested = '{"a":' * levels + "1" + "}" * levels
            connection.send(f'427["user:event",{{"eventId":"x","userId":"u","eventType":"{name}","{field}":{nested}}}]')
            assert connection.recv().startswith("437[{")


def test_an_event_before_the_namespace_is_joined_does_no_harm(quadra: QuadraProcess) -> None:
    url = f"ws://127.0.0.1:{quadra.port}/socket.io/?EIO=4&transport=websocket"
    connection = create_connection(url, timeout=90)
    connection.send('42["user:event",' + json.dumps(event(eventId="before-joining")) + "]")
    connection.close()
    with connected(quadra) as client:
        assert client.call("user:event", event())["duplicate"] is False
    with database_of(quadra) as database:
        assert "before-joining" not in stored_ids(database)


def test_a_client_that_leaves_with_events_on_the_way_harms_nobody(quadra: QuadraProcess) -> None:
    for _ in range(5):
        with raw_socket(quadra) as connection:
            for _ in range(50):
                connection.send('42["user:event",' + json.dumps(event()) + "]")
    with connected(quadra) as client:
        assert client.call("user:event", event())["duplicate"] is False
    with database_of(quadra) as database:
        assert_counts_are_rows(database)


def test_many_clients_at_once_each_hear_their_own_answers(quadra: QuadraProcess) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with connected(quadra) as client:
                for _ in range(25):
                    one = event()
                    assert client.call("user:event", one)["eventId"] == one["eventId"]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_client_reconnects_after_a_restart_and_goes_on(quadra: QuadraProcess) -> None:
    options = {"reconnection": True, "reconnection_delay": 0.2, "reconnection_delay_max": 0.5}
    with connected(quadra, **options) as client:
        before = event()
        assert "batchId" in client.call("user:event", before)
        quadra.restart()
        eventually(lambda: client.io.connected and "/" in client.io.namespaces)
        assert client.call("user:event", before)["duplicate"] is True
        assert client.call("user:event", event())["duplicate"] is False
