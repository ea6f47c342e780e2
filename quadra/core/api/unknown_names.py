"""Refuse a name in the address that its door does not know, by what the door's description says.

A mistyped name is ignored by nobody: the answer would be that of another question. Open to whatever somebody adds are

- doors of ingest: senders are programs of others, and what they put into the address are fields of the event;
- probes and `/metrics`: balancers add things;
- pages, share links and files: what is passed on gets campaign names and versions added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from flask import Flask, request

from quadra.core.api.openapi import WRITE_KEY, Door, Group
from quadra.core.api.raw_params import RawParams

OPEN = frozenset(
    {
        "/health",
        "/health/ready",
        "/health/startup",
        "/metrics",
        "/status",
        "/share/{token}",
        "/q.js",
        "/q-more.js",
        "/q-survey.js",
        "/script.js",
        "/js/script.js",
        "/flags",
        "/decide",
        "/array/{token}/config",
        "/array/{token}/config.js",
        "/api/openapi.json",
        "/api/docs",
        "/docs",
    }
)
"""Described doors that take any name, beside those that a write key opens."""
OWN_WAY = frozenset({"/api/analytics/funnels/query"})
"""Takes in the address what it takes in the body, and refuses the rest itself."""


def set_up(app: Flask, groups: Sequence[Group]) -> None:
    """Last of all that looks at a request before its door: limits and tokens come first."""
    known = _known(groups)

    def refuse() -> None:
        names = known.get((_method(), described(_rule()))) if request.args else None
        if names is not None and (
            _says_who() or not names.for_role
        ):  # else the door says first that it is not for strangers
            raw = RawParams({name: [""] for name in request.args})
            known_names = {param.name.partition("[")[0] for param in names.params}
            raw.refuse_unknown(sorted(known_names), _in_body(names))
            raw.check()

    app.before_request(refuse)


def described(rule: str) -> str:
    """A route's rule as descriptions write it: `/api/keys/{key_id}`."""
    return re.sub(r"<(?:[^>]*:)?([^:>]+)>", r"{\1}", rule)


def is_open(door: Door) -> bool:
    return door.needs == WRITE_KEY or door.path in OPEN


def _known(groups: Sequence[Group]) -> Mapping[tuple[str, str], Door]:
    return {
        (door.method, path): door
        for group in groups
        for door in group.doors
        if not is_open(door) and door.path not in OWN_WAY
        for path in (door.path, *door.also)
    }


def _says_who() -> bool:
    return bool(request.authorization or request.cookies)


def _in_body(door: Door) -> Sequence[str]:
    shape = door.body.shape if door.body is not None else None
    return tuple(getattr(shape, "__struct_fields__", ()) or getattr(shape, "__annotations__", ()))


def _method() -> str:
    return "GET" if request.method == "HEAD" else request.method


def _rule() -> str:
    return request.url_rule.rule if request.url_rule is not None else ""
