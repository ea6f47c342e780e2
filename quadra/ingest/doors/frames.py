"""Frames of WebSockets (RFC 6455) out of large pieces: whatever a client has sent is read at once, and each frame that lies in
it whole is taken without the library. What is not simple is left to the library, which reads it from the same place.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from quadra.core.lazy import is_ready

PIECE = 64 * 1024
LARGE = 2 * 1024
"""Bytes from which on NumPy is quicker; integers of such a size took a fifth of the time of an array of events."""
TEXT, BINARY = 0x81, 0x82
"""The first byte of a frame that is a whole message, without what an extension means."""


class Incoming:
    """The socket of a WebSocket, which reads more than it is asked for and keeps the rest. All else is the socket's."""

    def __init__(self, sock: Any):
        self._sock = sock
        self._held = b""
        self._at = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        if self._at == len(self._held):
            if size >= PIECE:
                return self._sock.recv(size)  # type: ignore[no-any-return]
            self.fill()
        piece = self._held[self._at : self._at + size]
        self._at += len(piece)
        return piece

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._held)

    def fill(self) -> None:
        """Wait for what comes next. At the end of the stream there is nothing. Call where nothing is held."""
        self._held, self._at = b"", 0  # not kept while this waits
        self._held = self._sock.recv(PIECE)

    def message(self, most: int) -> str | bytes | None:
        """The message of the next frame, where that is simple, whole here, and no larger than `most`. None where it is not."""
        held, at = self._held, self._at
        if len(held) - at < 8:
            return None
        kind, size = held[at], held[at + 1] - 128
        at += 2
        if size == 126:
            size = held[at] << 8 | held[at + 1]
            at += 2
        elif not 0 < size < 126:
            return None
        end = at + 4 + size
        if end > len(held) or size > most or kind not in (TEXT, BINARY):
            return None
        key = held[at : at + 4]
        data = mask(held[at + 4 : end], key)
        if kind == TEXT:
            try:
                text = data.decode()
            except UnicodeDecodeError:
                return None  # the library says so to the client
            self._at = end
            return text
        self._at = end
        return data


def mask(data: bytes, key: bytes) -> bytes:
    """XOR a payload with its key (5.3) as one large integer or array instead of byte by byte; twice is as never."""
    size = len(data)
    if size >= LARGE and is_ready(np):
        whole = np.frombuffer(key * (size // 4 + 1), np.uint8, size)
        return (np.frombuffer(data, np.uint8) ^ whole).tobytes()
    pad = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


def frame(text: str) -> bytes:
    """One unmasked text frame."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", TEXT, size) + payload
    if size < 65536:
        return struct.pack("!BBH", TEXT, 126, size) + payload
    return struct.pack("!BBQ", TEXT, 127, size) + payload
