"""Long answers of the API, packed by gzip where the client takes that: a page of many minutes is a tenth of its size then."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

SMALLEST = 8_000
"""Bytes. What is shorter goes out in a few packets anyhow. An answer of one secret and of what a stranger may choose is
shorter, too, so that nobody learns the secret from the length of the packed answer."""
LARGEST = 500_000
"""Bytes. Packing these takes the event loop up to 30 ms where the machine is busy; larger answers go out as they are."""
LEVEL = 1


def set_up(app: Flask) -> None:
    app.after_request(_pack)


def _pack(response: Response) -> Response:
    if response.mimetype != "application/json" or response.is_streamed or response.content_encoding:
        return response
    if not SMALLEST <= (response.content_length or 0) <= LARGEST or response.get_etag()[0] is not None:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(response.get_data(), LEVEL))
        response.content_encoding = "gzip"
    return response
