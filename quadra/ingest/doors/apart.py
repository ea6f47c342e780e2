"""Take a JSON text apart by its structure alone, so that a broken item costs itself and not its neighbours.

No parser reads past `NaN`, half a surrogate pair or a thousand brackets. Here only quotes, brackets and commas count; what
lies between two commas is for others to read. Slower than a parser by far: for bodies that no parser took as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# possessive: a text without a closing quote must not be tried again from each of its escapes
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},"]', re.DOTALL)
KEY = re.compile(rb'\s*"([^"\\]*)"\s*:')
CLOSING = {b"[": b"]", b"{": b"}"}
SPACE = b" \t\r\n"


class NoSuch(ValueError):
    """The text is no JSON array or object, not even by its brackets."""


def items(text: bytes, most: int) -> list[bytes]:
    """The items of an array, each still text; at most `most` + 1, whatever follows. Raises `NoSuch`."""
    return _bounded(_pieces(text, b"["), most)


def members(text: bytes, most: int) -> dict[str, bytes]:
    """The values of an object, each still text, under those of its keys that need no escape. Raises `NoSuch`."""
    values: dict[str, bytes] = {}
    for piece in _bounded(_pieces(text, b"{"), most):
        if (key := KEY.match(piece)) is not None:
            values[key[1].decode(errors="replace")] = piece[key.end() :].strip(SPACE)
    return values


def _bounded(pieces: Iterator[bytes], most: int) -> list[bytes]:
    taken: list[bytes] = []
    for piece in pieces:
        taken.append(piece)
        if len(taken) > most:
            break
    return taken


def _pieces(text: bytes, opening: bytes) -> Iterator[bytes]:
    text = text.strip(SPACE)
    if text[:1] != opening or text[-1:] != CLOSING[opening]:
        raise NoSuch
    if not text[1:-1].strip(SPACE):
        return
    level, start = 0, 1
    for token in TOKEN.finditer(text):
        sign = token[0]
        if sign in b"[{":
            level += 1
        elif sign in b"]}":
            level -= 1
            if level == 0:
                if token.end() != len(text):
                    raise NoSuch
                yield text[start : token.start()].strip(SPACE)
                return
        elif sign == b",":
            if level == 1:
                yield text[start : token.start()].strip(SPACE)
                start = token.end()
        elif sign == b'"':
            raise NoSuch  # a string that never ends
    raise NoSuch
