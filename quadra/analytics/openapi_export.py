"""The door of the export, described."""

from __future__ import annotations

from quadra.analytics.export import FORMATS
from quadra.analytics.export_stream import MEDIA
from quadra.analytics.questions.lens import PREFIXES
from quadra.analytics.questions.question import Asks
from quadra.core.api.openapi import Answer, Door, Param
from quadra.ingest.kinds import KINDS

OTHERS = tuple(media for name, media in MEDIA.items() if name != FORMATS[0])

EXPORT = Door(
    method="GET",
    path=f"{PREFIXES[0]}/export",
    title="Export events",
    says=(
        "The events themselves, as of one moment, ordered by time (Parquet: in no order), as a file that is made while it is "
        "sent. `csv` is safe to open in a spreadsheet: a text that it could take for a formula has a `'` before it. `json` is "
        "one array, `ndjson` one object a line. An answer that breaks off is not the whole file. Noted in the audit log."
    ),
    needs="viewer",
    params=(
        Param(name="format", shape={"enum": list(FORMATS), "default": FORMATS[0]}),
        Param(name="kind", shape=str, says=f"One or some, with commas, of {', '.join(KINDS)}.", example="page"),
        Param(name="event", shape=str, says="Its name. Left out: any event.", example="page_view"),
        *(param for param in Asks().params() if param.name not in ("interval", "week_start")),
    ),
    answers={200: Answer(says="The file.", shape={"type": "string"}, media="text/csv", other_media=OTHERS)},
    refuses=(404, 503),
    also=tuple(f"{prefix}/export" for prefix in PREFIXES[1:]),
)
