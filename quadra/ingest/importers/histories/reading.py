"""What the histories of other tools have in common: objects of a file become items, and their devices get our names."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from quadra.core.errors import Invalid
from quadra.ingest.agents import Agent
from quadra.ingest.importers.items import Item, Reading
from quadra.ingest.importers.records import Cells, records
from quadra.ingest.importers.source import Source
from quadra.ingest.wire import Refused

Event = tuple[dict[str, Any], Agent]
Read = Callable[[dict[str, Any]], Iterable[Event]]
"""The events of one object, with fields under our names. Raises `Refused`."""

BROWSERS = {
    "chrome": "Chrome",
    "crios": "Chrome Mobile iOS",
    "chromium-webview": "Chrome Mobile WebView",
    "firefox": "Firefox",
    "fxios": "Firefox iOS",
    "safari": "Safari",
    "ios": "Mobile Safari",
    "ios-webview": "Mobile Safari UI/WKWebView",
    "edge": "Edge",
    "edge-chromium": "Edge",
    "edge-ios": "Edge Mobile",
    "microsoft edge": "Edge",
    "opera": "Opera",
    "samsung": "Samsung Internet",
    "samsung browser": "Samsung Internet",
    "yandexbrowser": "Yandex Browser",
    "ie": "IE",
    "internet explorer": "IE",
}
"""As our own parser of user agents calls them; others keep the name that they come with."""
SYSTEMS = {
    "windows": "Windows",
    "mac": "Mac OS X",
    "os x": "Mac OS X",
    "ios": "iOS",
    "ipados": "iOS",
    "android": "Android",
    "linux": "Linux",
    "gnu/linux": "Linux",
    "ubuntu": "Ubuntu",
    "chrome os": "Chrome OS",
}
"""By how their names begin, versions follow."""
DEVICES = {
    "laptop": "desktop",
    "smartphone": "mobile",
    "phablet": "mobile",
    "feature phone": "mobile",
    "phone": "mobile",
}


def items(read: Read, inside: Collection[str], source: Source, reading: Reading) -> Iterator[Item]:
    """Raises `Invalid`. An object that is not of this tool costs nothing but itself."""
    if reading.times.column is not None or reading.times.or_now:
        raise Invalid("--time-column and --undated-now are for tables of your own; a tool's export says when.")
    for number, record in records(source, inside):
        try:
            if isinstance(record, Refused):
                raise record
            for fields, agent in read(record):
                yield Item(number, b"" if fields.get("event_id") else _identity(record), fields, agent)
        except Refused as refused:
            yield Item(number, _identity(record), refused)


@lru_cache(maxsize=4096)
def device(
    device_type: str | None, browser: str | None, os: str | None, country: str | None = None, region: str | None = None
) -> Agent:
    """Texts of a file, in the bounds of the columns and under our names."""
    kind = (device_type or "").strip().lower()
    name, system = (browser or "").strip(), (os or "").strip()
    found = next((ours for begins, ours in SYSTEMS.items() if system.lower().startswith(begins)), system)
    code = (country or "").strip().upper()
    return Agent(
        device_type=DEVICES.get(kind, kind)[:16] or None,
        browser=BROWSERS.get(name.lower(), name)[:64] or None,
        os=found[:64] or None,
        bot=kind == "bot",
        country=code if len(code) == 2 and code.isalpha() else None,
        region=(region or "").strip()[:100] or None,
    )


def text_of(record: Mapping[str, Any], name: str) -> str | None:
    """A text that is there; numbers are texts too."""
    value = record.get(name)
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int or type(value) is float else None


def texts_of(record: Mapping[str, Any]) -> Mapping[str, str]:
    """The texts that are there: `text_of` of all names at once."""
    if type(record) is Cells:
        return record
    return {
        name: value if type(value) is str else str(value)
        for name, value in record.items()
        if (value if type(value) is str else type(value) is int or type(value) is float)
    }


def read_json(text: str, name: str) -> Any:
    """JSON within a text. Raises `Refused`."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass  # NaN, which is refused by name later, or half a character
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("invalid", {name: "not JSON"}) from None


def required(record: Mapping[str, Any], *names: str) -> str:
    """The first of these that is there. Raises `Refused`."""
    for name in names:
        if (found := text_of(record, name)) is not None:
            return found
    raise Refused("invalid", {names[0]: "required"})


def _identity(record: Any) -> bytes:
    if isinstance(record, Refused):
        return b""
    return msgspec.json.encode(record, enc_hook=str, order="deterministic")
