"""Under which titles the lenses are described."""

from __future__ import annotations

QUESTIONS = "Questions"
OVERVIEW = "Overview"
RECORDED = "Recorded kinds"
BUSINESS = "Businesses and metrics"
VISITS = "Visits and goals"
