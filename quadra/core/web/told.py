"""An answer that is sent piece by piece as it is made. Making does not wait for whoever reads: one that reads slowly, or has
gone, holds up nothing that the making takes, such as a turn among questions. All pieces together must fit into memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue


def told(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks until the first piece is there, so that what is wrong is told while there is still a status: raises it."""
    made: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
    threading.Thread(target=_make, args=(pieces, made), name="told", daemon=True).start()
    return _after(_next(made), made)


def _make(pieces: Iterable[bytes], made: SimpleQueue[bytes | BaseException | None]) -> None:
    try:
        for piece in pieces:
            made.put(piece)
        made.put(None)
    except BaseException as error:  # carried to the thread that reads, which raises it
        made.put(error)


def _after(piece: bytes | None, made: SimpleQueue[bytes | BaseException | None]) -> Iterator[bytes]:
    while piece is not None:
        yield piece
        piece = _next(made)


def _next(made: SimpleQueue[bytes | BaseException | None]) -> bytes | None:
    found = made.get()
    if isinstance(found, BaseException):
        raise found
    return found
