"""PostHog: events of a batch or file export (JSON lines, Parquet), or pages of its API's `/events`.

They are what its SDKs sent, so they are read as the door for those SDKs reads them, and an event that came both ways is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quadra.ingest.importers.histories.reading import Event, device, read_json, text_of
from quadra.ingest.sdks import posthog
from quadra.ingest.wire import Refused

INSIDE = ("results",)
"""What its API calls the list."""
LEFT_OUT = frozenset(
    {
        *("person_id", "person_properties", "person", "team_id", "project_id", "site_url", "ip", "created_at"),
        *("elements", "elements_chain", "set", "set_once", "bq_ingested_timestamp", "_inserted_at"),
    }
)
"""Of the export itself: the person as PostHog knows it, and what stands in the properties too."""


def read(record: dict[str, Any]) -> Iterator[Event]:
    event = {name: value for name, value in record.items() if name not in LEFT_OUT}
    if "uuid" not in event:
        event["uuid"] = event.pop("id", None)
    properties = event.get("properties")
    if isinstance(properties, str):
        event["properties"] = properties = read_json(properties, "properties")
    if event.get("timestamp") is None:
        raise Refused("invalid", {"timestamp": "required"})
    fields = posthog.fields_of(event)
    page = fields.pop("page")
    fields["page_url"], fields["page_title"] = page.get("url") or page.get("path"), page.get("title")
    fields["referrer"] = page.get("referrer")
    if fields["traits"] is None:
        del fields["traits"]
    known = properties if isinstance(properties, dict) else {}
    yield (
        fields,
        device(
            text_of(known, "$device_type"),
            text_of(known, "$browser"),
            text_of(known, "$os"),
            text_of(known, "$geoip_country_code"),
            text_of(known, "$geoip_subdivision_1_name"),
        ),
    )
