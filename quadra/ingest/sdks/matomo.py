"""What Matomo's tracker and clients send as events of ours. Pure; the routes are in `tracker_routes`.

One request is one thing: a goal, an event, a search, a download, a link, a piece of content, or else a page view. `idsite` is
the write key. What is not kept is listed in docs/trackers.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from quadra.core.errors import Invalid
from quadra.ingest.doors import apart, many
from quadra.ingest.doors.envelope import Opened
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import MAX_EVENT_BYTES, MAX_FIELDS, TOO_LARGE, Refused, json_name

PATHS = ("/matomo.php", "/piwik.php")
NAMES = {
    "user_id": "uid",
    "anonymous_id": "cid",
    "timestamp": "cdt",
    "event_type": "e_a",
    "event_name": "e_a",
    "event_category": "e_c",
    "page": "url",
    "value": "revenue",
    "properties": "cvar",
}
"""Our field -> what the sender calls it."""
KEY = re.compile(rb"\bidsite[\"']?\s*[=:]\s*[\"']?(qk_[A-Za-z0-9_-]{8,197})")
PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
DIMENSION = re.compile(r"dimension\d{1,3}")
VARIABLES = ("cvar", "_cvar")


def open_request(raw: bytes, asked: Mapping[str, str]) -> Opened:
    """The request of one event (`asked` in the address, more in the body), or `{"requests": […]}`. Raises `Invalid`."""
    text = raw.strip()
    if text[:1] != b"{":
        if len(text) > MAX_EVENT_BYTES:
            raise Invalid("The request cannot be stored.", fields={"event": TOO_LARGE})
        fields = {**asked, **_fields_of(text.decode(errors="replace"))}
        return Opened(fields, [fields], False)
    try:
        members = apart.members(text, MAX_FIELDS)
        items = many.split(members["requests"])
    except (apart.NoSuch, KeyError) as error:
        raise Invalid('The body must be a form, or a JSON object with a list "requests".') from error
    except Refused as refused:
        raise Invalid(f"The body is {refused.fields['events']}.") from refused
    token = members.get("token_auth", b"null")
    beside = {**asked, "token_auth": foreign.decode(token) if len(token) < MAX_EVENT_BYTES else None}
    return Opened(beside, items, True)


def key_in_raw(raw: bytes) -> str:
    found = KEY.search(raw)
    return found[1].decode() if found else ""


def fields_of(item: Any) -> Mapping[str, Any]:
    """The parameters of one request of several: a text as in an address, or an object. Raises `Refused`."""
    if isinstance(item, str):
        try:
            return _fields_of(item.partition("?")[2] or item)
        except Invalid as error:
            raise Refused("invalid", {"requests": error.message}) from error
    if isinstance(item, dict):
        return {name: foreign.text(value) for name, value in item.items()}
    raise Refused("invalid", {"requests": f"each must be a text or an object, not {json_name(item)}"})


def key_of(item: Any) -> str:
    try:
        return foreign.word(fields_of(item).get("idsite"))
    except Refused:
        return ""


def is_kept(item: Any) -> bool:
    """Whether it says more than that the visitor is still there."""
    try:
        return not foreign.word(fields_of(item).get("ping"))
    except Refused:
        return True


def read(item: Any, key: str) -> Any:
    """An event of ours, or a `Refused` that names the sender's own fields. `key` is that of the whole request."""
    try:
        sent = fields_of(item)
        if foreign.word(sent.get("idsite")) != key:
            raise Refused("invalid", {"idsite": "must be the same in all requests that are sent at once"})
        return foreign.wire({**_common(sent), **_what(sent)}, NAMES)
    except Refused as refused:
        return refused


def _common(sent: Mapping[str, Any]) -> dict[str, Any]:
    page = {"url": sent.get("url"), "title": sent.get("action_name"), "referrer": sent.get("urlref")}
    return {
        "user_id": foreign.text(sent.get("uid")),
        "anonymous_id": foreign.text(sent.get("cid") or sent.get("_id")),
        "timestamp": _time(sent.get("cdt")),
        "page": {part: value for part, value in page.items() if isinstance(value, str) and value},
        "language": foreign.word(sent.get("lang")).partition(",")[0][:35] or None,
        "screen": foreign.word(sent.get("res"), 32) or None,
    }


def _what(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The kind of the event, its name and what it says, by the first parameter that only such an event has."""
    said = _said(sent)
    revenue = foreign.number(sent.get("revenue"))
    if sent.get("idgoal") not in (None, ""):
        name = "order" if sent.get("ec_id") else "cart_update" if sent["idgoal"] == "0" else "goal"
        bought = {
            "goal": sent["idgoal"] if name == "goal" else None,
            "order_id": sent.get("ec_id"),
            "items": foreign.decoded(sent.get("ec_items")),
            "revenue": revenue,
            **{part: foreign.number(sent.get(f"ec_{part}")) for part in ("st", "tx", "sh", "dt")},
        }
        return _event(name, {**said, **bought}, value=revenue)
    if sent.get("e_c") or sent.get("e_a"):
        value = foreign.number(sent.get("e_v"))
        return _event(sent.get("e_a") or sent["e_c"], {**said, "name": sent.get("e_n")}, sent.get("e_c"), value)
    if sent.get("search") is not None:
        found = {"query": sent["search"], "category": sent.get("search_cat")}
        return _event("search", {**said, **found, "results": foreign.number(sent.get("search_count"))})
    if sent.get("download"):
        return _event("download", {**said, "url": sent["download"]})
    if sent.get("link"):
        return _event("outbound_click", {**said, "url": sent["link"], "host": _host(sent["link"])})
    if sent.get("c_n"):
        content = {"name": sent["c_n"], "piece": sent.get("c_p"), "target": sent.get("c_t")}
        return _event(
            "content_interaction" if sent.get("c_i") else "content_impression",
            {**said, **content, "how": sent.get("c_i")},
        )
    return {"kind": "page", "properties": said}


def _event(name: Any, said: Mapping[str, Any], category: Any = None, value: float | None = None) -> dict[str, Any]:
    kept = {part: found for part, found in said.items() if found is not None}
    return {"kind": "event", "event_type": name, "event_category": category or None, "value": value, "properties": kept}


def _said(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Custom dimensions under their numbers, custom variables under their names."""
    found: dict[str, Any] = {name: value for name, value in sent.items() if DIMENSION.fullmatch(name)}
    for name in VARIABLES:
        variables = foreign.decoded(sent.get(name))
        for pair in variables.values() if isinstance(variables, dict) else ():
            if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and pair[0]:
                found[pair[0]] = pair[1]
    return found


def _time(written: Any) -> Any:
    """Matomo's own way of writing it, which is UTC, or what other doors take."""
    if isinstance(written, str) and PLAIN_TIME.fullmatch(written):
        return f"{written.replace(' ', 'T')}Z"
    if isinstance(written, str) and written.isdecimal() and len(written) < 18:
        return foreign.moment(int(written))
    return foreign.moment(written)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _fields_of(query: str) -> dict[str, str]:
    """The last of several of one name. Raises `Invalid`."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise Invalid(f"The request has more than {MAX_FIELDS} parameters.") from error
