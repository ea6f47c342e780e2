"""A viewer that stops reading: what waits for it is bounded, it is cut off, and nobody else notices."""

from __future__ import annotations

import inspect
import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import psutil
from engineio.socket import Socket
from websocket import WebSocket

from quadra.core.web import slow
from tests.clients import connected, event, make_key, send
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually

UPDATE = "metrics_update"


def deaf_viewer(quadra: QuadraProcess, key: str) -> WebSocket:
    """Joins the project and then reads nothing any more."""
    viewer = WebSocket(sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    viewer.connect(f"ws://127.0.0.1:{quadra.port}/socket.io/?EIO=4&transport=websocket", suppress_origin=True)
    viewer.recv()
    viewer.send("40/live," + json.dumps({"key": key}))
    assert viewer.recv().startswith("40/live,")
    viewer.send('42/live,0["admin:join",{"project":"default"}]')
    while not viewer.recv().startswith("43/live,0"):
        pass
    return viewer


def test_a_viewer_that_does_not_read_is_cut_off_and_others_see_everything(
    quadra_process: Callable[..., QuadraProcess],
) -> None:
    quadra = quadra_process(command=("serve", "--no-worker"), cold=True)
    key = make_key(quadra, "read")["key"]
    with ExitStack() as stack:
        names = (UPDATE,)
        reader = stack.enter_context(connected(quadra, auth={"key": key}, namespace="/live", names=names))
        reader.call("admin:join", {"project": "default"})
        viewers = [stack.enter_context(closing(deaf_viewer(quadra, key))) for _ in range(3)]
        before = psutil.Process(quadra.pid).memory_info().rss
        big, count = {"text": "x" * 30_000}, 0
        end = time.monotonic() + 60
        while quadra.log().count("live.client.cut") < len(viewers):
            assert time.monotonic() < end
            assert send(quadra, body=[event(properties=big) for _ in range(10)]).status == 200
            count += 10  # no faster than the reader reads: on a busy machine it must not be slow itself
            reader.wait_for(lambda: count in [seen["totals"]["today"] for seen in reader.payloads(UPDATE)])  # noqa: B023
        assert psutil.Process(quadra.pid).memory_info().rss - before < 80 * 2**20
        for viewer in viewers:
            viewer.settimeout(5)
            eventually(lambda viewer=viewer: ended(viewer))
        deaf_viewer(quadra, key).close()
    assert "Traceback" not in quadra.log()


def ended(viewer: WebSocket) -> bool:
    """Whether reading on comes to an end of the connection."""
    try:
        while viewer.sock.recv(1 << 20):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_the_private_part_that_is_wrapped_takes_what_it_is_given() -> None:
    ((owner, name),) = slow.PRIVATE_PARTS
    assert (owner, name) == (Socket, "_websocket_handler")
    assert len(inspect.signature(Socket._websocket_handler).parameters) == 2
