"""How long questions take."""

from __future__ import annotations

from quadra.core.metrics import histogram

query_duration_seconds = histogram(
    "query_duration_seconds", "From a question that was understood to its answer.", ("lens",)
)
