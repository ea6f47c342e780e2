"""The doors of the questions about recorded kinds, described."""

from __future__ import annotations

from quadra.analytics import features, satisfaction
from quadra.analytics import openapi_recorded_shapes as shapes
from quadra.analytics.openapi_common import MEASURED, common, limit, question
from quadra.core.openapi import Param
from quadra.ingest.kinds import SCORES

FEATURES = question(
    "user/features/stats",
    "Features",
    "Recorded uses of features. A use that does not say how it ended has succeeded; the rate is in per cent.",
    (
        Param(name="feature_name", shape=str, says="Only this one."),
        limit(features.LIMIT, features.LIMIT_MOST, "How many features to name."),
        *common(),
    ),
    shapes.Features,
    {
        "features": [
            {
                "feature_name": "export",
                "feature_category": "reports",
                "total_uses": 90,
                "successful_uses": 81,
                "success_rate": 90.0,
                "avg_duration_seconds": 3.5,
                "unique_users": 31,
                "by_action": {"opened": 40, "used": 45, "completed": 5},
            }
        ],
        **MEASURED,
    },
)

NPS = {"total_responses": 120, "avg_score": 8.1, "min_score": 0.0, "max_score": 10.0, "nps": 42.5}
SATISFACTION = question(
    "user/satisfaction/metrics",
    "Satisfaction",
    "NPS (-100 to 100), CSAT (per cent) and CES (mean), with every score of the scale and the contexts of the answers.",
    (
        Param(name="survey_type", shape={"enum": list(SCORES)}, says="Only this one."),
        limit(satisfaction.CONTEXTS, satisfaction.CONTEXTS_MOST, "How many contexts to name.", "context_limit"),
        *common(),
    ),
    shapes.Satisfaction,
    {
        "satisfaction_metrics": [
            {
                "survey_type": "nps",
                **NPS,
                "distribution": {"9": 60, "10": 30, "0": 30},
                "by_context": {"checkout": NPS},
            }
        ],
        **MEASURED,
    },
)
