"""What the doors for SDKs of other products have in common: a key somewhere, one event or a batch of them, one answer.

A door of another product says how its body is opened and read; finding the sender, keeping strangers cheap, and storing are here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from flask import request

from quadra.ingest.accept import Sender
from quadra.ingest.doors.envelope import Opened, read_all
from quadra.ingest.doors.intake import SMALL_BYTES
from quadra.ingest.doors.routes import intake, plain_key, raw_body, read_off_loop, reading, require, sender
from quadra.ingest.doors.tickets import Stored
from quadra.ingest.wire import Refused


class Incoming(NamedTuple):
    """A body that was opened, and who sent it."""

    opened: Opened
    sender: Sender
    size: int


def receive(
    door: str,
    opening: Callable[[bytes], Opened],
    key_in: Callable[[Opened], str | None],
    *,
    unwrap: Callable[[bytes], bytes] | None = None,
    in_query: str = "",
    key_in_raw: Callable[[bytes], str] | None = None,
) -> Incoming:
    """Open the current request. `key_in` finds a key in the body; `in_query` is one in the address that is no `?key=`.

    `key_in_raw` finds it in a large body that was not read yet, where it does not stand alone between quotes.

    Raises what the intake raises about senders, and `Invalid`, `TooLarge` where nothing of the body can be read.
    """
    plain = plain_key()
    who = sender(plain, door) if plain else None
    with reading(who):
        raw = raw_body()
        if unwrap is not None:
            raw = read_off_loop(len(raw), unwrap, raw)
        senders = intake().senders
        if who is None and len(raw) > SMALL_BYTES and key_in_raw is not None:
            who = sender(key_in_raw(raw) or in_query, door)
        elif who is None and len(raw) > SMALL_BYTES and senders.find(in_query) is None:
            senders.look_for_key(request.environ, raw)
        opened = read_off_loop(len(raw), opening, raw)
        who = who or sender(key_in(opened) or in_query, door)
    return Incoming(opened, who, len(raw))


def store(
    incoming: Incoming,
    read: Callable[[Any], Any],
    sender_of: Callable[[Any, Sender], Sender],
    sent_at: int | str | None,
) -> list[Stored | Refused]:
    """Read each item and wait until all is durable; a result for each. Raises `Invalid` for a single one that is refused."""
    opened, who, size = incoming
    wires, of_each = read_off_loop(size, read_all, opened, read, sender_of, who)
    results = intake().store(wires, who, size, of_each=of_each, sent_at=sent_at)
    if not opened.is_batch:
        require(results[0])
    return results
