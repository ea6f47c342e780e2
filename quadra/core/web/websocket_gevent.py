"""WebSockets of gevent take turns. simple-websocket reads for as long as there is something to read, in a greenlet of its own: a
client that sends without a pause held the loop for seconds, and what was not handled yet lay in memory without a bound.
"""

from __future__ import annotations

import gevent
from simple_websocket.ws import Base

WAITING = 64
"""Messages that lie there before more is read from the client."""
AT_ONCE = 8
"""Turns that others get before this one looks again only after a pause."""
PAUSES_SECONDS = (0.005,) * 20 + (0.1,) * 100
"""After all of them one piece is read all the same: it may hold the end of the connection."""
PRIVATE_PARTS = ((Base, "_handle_events"),)


def take_turns() -> None:
    """For every WebSocket of this process."""
    original = Base._handle_events

    def handle(self: Base) -> bool:
        was_connected = self.connected
        going: bool = original(self)
        gevent.sleep(0)
        for pause in (0.0,) * AT_ONCE + PAUSES_SECONDS:
            if not going or len(self.input_buffer) <= WAITING or (was_connected and not self.connected):
                break
            gevent.sleep(pause)
        # another greenlet may have closed it meanwhile; before the handshake is answered it is not connected yet
        return going and (self.connected or not was_connected)

    Base._handle_events = handle
