"""An answer that is the same for everybody: made once, however often asked.

Sent packed where the client takes that, and not at all where it has it already.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable
from typing import NamedTuple

from flask import Response, request


class _Made(NamedTuple):
    etag: str
    plain: bytes
    packed: bytes


class MadeOnce:
    """`make` is called once, on the thread of whoever asks first."""

    def __init__(self, make: Callable[[], str], content_type: str):
        self._make = make
        self._content_type = content_type
        self._lock = threading.Lock()
        self._made: _Made | None = None

    def response(self) -> Response:
        """For the current request. Blocks while it is made."""
        made = self._get()
        packed = request.accept_encodings["gzip"] > 0
        response = Response(made.packed if packed else made.plain, content_type=self._content_type)
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(made.etag, weak=True)
        response.make_conditional(request)
        return response

    def _get(self) -> _Made:
        with self._lock:
            if self._made is None:
                plain = self._make().encode()
                self._made = _Made(hashlib.sha256(plain).hexdigest()[:32], plain, gzip.compress(plain, 9, mtime=0))
            return self._made
