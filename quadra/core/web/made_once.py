"""An answer that is the same for everybody but for the address at which Quadra is reached: made once, however often asked.

Sent packed where the client takes that, and not at all where it has it already.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from flask import Response, request

from quadra.core.web.http import runtime

ADDRESS = "https://quadra.address.invalid"
"""Stands in the text for the address, which a stranger's Host header may name."""
MOST_ADDRESSES = 8
"""That are kept: whoever sends invented Host headers pays nobody's memory with them."""


class _Made(NamedTuple):
    etag: str
    plain: bytes
    packed: bytes


class MadeOnce:
    """`make` is called once, with ADDRESS for the address; `escape` writes an address as the text has to."""

    def __init__(self, make: Callable[[], str], content_type: str, escape: Callable[[str], str]):
        self._make = make
        self._content_type = content_type
        self._escape = escape
        self._lock = threading.Lock()
        self._text: str | None = None
        self._made: OrderedDict[str, _Made] = OrderedDict()

    def response(self) -> Response:
        """For the current request. Blocks while it is made the first time."""
        made = self._of((runtime().settings.public_url or request.host_url).rstrip("/"))
        packed = request.accept_encodings["gzip"] > 0
        response = Response(made.packed if packed else made.plain, content_type=self._content_type)
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(made.etag, weak=True)
        response.make_conditional(request)
        return response

    def _of(self, address: str) -> _Made:
        with self._lock:
            made = self._made.get(address)
            if made is None:
                if self._text is None:
                    self._text = self._make()
                plain = self._text.replace(self._escape(ADDRESS), self._escape(address)).encode()
                made = _Made(hashlib.sha256(plain).hexdigest()[:32], plain, gzip.compress(plain, 6, mtime=0))
                self._made[address] = made
                if len(self._made) > MOST_ADDRESSES:
                    self._made.popitem(last=False)
            return made
