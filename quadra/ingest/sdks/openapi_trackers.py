"""The doors that the trackers of Umami, Plausible and Matomo knock at, described."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from quadra.core.api.openapi import WRITE_KEY, Answer, Body, Door, Group, Param, Schema
from quadra.ingest.sdks import matomo, plausible, umami
from quadra.ingest.sdks.openapi_foreign import ForeignRefusal


class UmamiAnswer(Struct):
    ok: Literal[True]


class MatomoAnswer(Struct):
    status: Literal["success"]
    tracked: int
    invalid: int
    refused: list[ForeignRefusal] | UnsetType = UNSET


KEY = "qk_Zm9vYmFy"
SENT: Schema = {
    "type": "object",
    "required": ["payload"],
    "properties": {
        "type": {"enum": list(umami.TYPES)},
        "payload": {
            "type": "object",
            "properties": {
                "website": {"type": "string", "description": "The write key."},
                "name": {"type": "string", "maxLength": 200, "description": "Left out for a page view."},
                "url": {"type": "string"},
                "hostname": {"type": "string"},
                "title": {"type": "string"},
                "referrer": {"type": "string"},
                "id": {"type": "string", "maxLength": 200, "description": "The user, where one is known."},
                "data": {"type": "object"},
            },
        },
    },
}
SEEN: Schema = {
    "type": "object",
    "properties": {
        "n": {"type": "string", "minLength": 1, "maxLength": 200, "description": "`pageview`, or an event's name."},
        "u": {"type": "string", "description": "The address of the page."},
        "d": {"type": "string", "description": "The write key, or a host among the origins of one."},
        "r": {"type": ["string", "null"], "description": "The referrer."},
        "p": {"type": "object", "description": "Properties."},
        "$": {"type": "object", "description": "Revenue: `amount` and `currency`."},
    },
}
IDSITE = Param(name="idsite", shape=str, says="The write key.", example=KEY)
NO_IMAGE = Param(name="send_image", shape=str, says="`0`: answer 204 without an image.")
URL = Param(name="url", shape=str, says="The address of the page; other parameters as Matomo's tracking API has them.")
REQUESTS: Schema = {
    "type": "object",
    "required": ["requests"],
    "properties": {
        "requests": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}},
        "token_auth": {"type": ["string", "null"], "description": "A read key: its sender may say addresses (`cip`)."},
    },
}
VISIT = {"requests": [f"?idsite={KEY}&rec=1&url=https%3A%2F%2Fexample.com%2F"]}
SAW = Answer(says="Stored. An image of one dot; 204 with `send_image=0`.", media="image/gif", shape=str)


def _matomo(path: str) -> tuple[Door, ...]:
    asked = (IDSITE, URL, NO_IMAGE)
    none = Answer(says="Stored.")
    many = Answer(
        says="What became of a list; one request alone is answered as over GET.",
        shape=MatomoAnswer,
        example={"status": "success", "tracked": 1, "invalid": 0},
        other_media=("image/gif",),
    )
    get = Door(
        method="GET",
        path=path,
        title="One request",
        needs=WRITE_KEY,
        params=asked,
        answers={200: SAW, 204: none},
        refuses=(413,),
    )
    post = Door(
        method="POST",
        path=path,
        title="One request, or a list",
        says="One as a form; several as JSON.",
        needs=WRITE_KEY,
        params=asked,
        body=Body(media={"application/json": REQUESTS, "application/x-www-form-urlencoded": str}, example=VISIT),
        answers={200: many, 204: none},
    )
    return get, post


TRACKERS = Group(
    title="Trackers of Umami, Plausible and Matomo",
    says="Point their host at this server and give the write key as the site. Visitors without an id are known for one day.",
    doors=(
        Door(
            method="POST",
            path=umami.PATH,
            title="Umami: an event or a page view",
            needs=WRITE_KEY,
            body=Body(
                shape=SENT, example={"type": "event", "payload": {"website": KEY, "url": "/", "hostname": "a.example"}}
            ),
            answers={200: Answer(says="Stored.", shape=UmamiAnswer, example={"ok": True})},
        ),
        Door(
            method="POST",
            path=plausible.PATH,
            title="Plausible: an event or a page view",
            needs=WRITE_KEY,
            body=Body(shape=SEEN, example={"n": "pageview", "u": "https://example.com/", "d": KEY}),
            answers={202: Answer(says="Stored.", media="text/plain", shape=str)},
        ),
        *(door for path in matomo.PATHS for door in _matomo(path)),
    ),
)
