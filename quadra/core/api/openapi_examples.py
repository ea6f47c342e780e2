"""Lines to paste into a terminal, made of what a door says about itself."""

from __future__ import annotations

import re
import shlex
from urllib.parse import quote, urlencode

import orjson

from quadra.core.api.openapi import WRITE_KEY, Body, Door

INDENTED_FROM = 90
"""A body longer than this is written over several lines."""


def curl(door: Door, address: str) -> str:
    """The call as a curl line: with the example's parameters and body, and a place for the key."""
    examples = {param.name: param.example for param in door.params if param.example is not None}
    path = re.sub(r"{(\w+)}", lambda found: quote(str(examples.pop(found[1], found[1]))), door.path)
    query = f"?{urlencode(examples)}" if examples else ""
    parts = [f"curl {_quoted(address + path + query)}"]
    if door.method != ("POST" if door.body else "GET"):
        parts[0] = f"curl -X {door.method} {_quoted(address + path + query)}"
    if door.needs == WRITE_KEY:
        parts.append('-H "X-Quadra-Key: qk_…"')
    elif door.for_role:
        parts.append('-H "Authorization: Bearer qk_…"')
    if door.body is not None:
        parts += _body(door.body)
    return " \\\n  ".join(parts)


def _quoted(address: str) -> str:
    return f'"{address}"' if "?" in address or address.startswith("$") else shlex.quote(address)


def _body(body: Body) -> list[str]:
    media = next(iter(body.shapes))
    if body.example is None:
        return []
    text = orjson.dumps(body.example).decode()
    if len(text) > INDENTED_FROM:
        text = orjson.dumps(body.example, option=orjson.OPT_INDENT_2).decode()
    return [f'-H "Content-Type: {media}"', f"-d {shlex.quote(text)}"]
