"""Three reports that stand on their own: plain SQL that SQLite, PostgreSQL, MariaDB and DuckDB run alike.

They ask the views of the database (`api_performance`, `business_metrics`, `system_metrics`, see docs/lenses.md). Times there
are UTC, and so is `from`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from quadra.core import clock


@dataclass(frozen=True)
class Ready:
    name: str
    says: str
    hours: int
    """Of the usual range."""
    sql: str

    def shown(self, slug: str) -> dict[str, Any]:
        """With the parameters of its usual range, which ends now."""
        since = clock.now() - timedelta(hours=self.hours)
        return {
            "name": self.name,
            "says": self.says,
            "sql": self.sql,
            "parameters": {"project": slug, "from": since.strftime("%Y-%m-%d %H:%M:%S")},
        }


READY = (
    Ready(
        "requests_by_day",
        "Requests by day, path, method and status, with their mean time and how many failed: of 7 days.",
        7 * 24,
        """SELECT day, endpoint AS path, method, status_code, COUNT(*) AS requests,
    AVG(response_time_ms) AS avg_response_time_ms,
    SUM(CASE WHEN status_code >= 400 THEN 1 ELSE 0 END) AS errors
FROM api_performance
WHERE project = :project AND timestamp >= :from
GROUP BY day, endpoint, method, status_code
ORDER BY day, requests DESC, path, method, status_code""",
    ),
    Ready(
        "business_metrics_by_name",
        "Each metric of each business: mean, greatest, least, how often it was reported; of 30 days.",
        30 * 24,
        """SELECT business_id, metric_name, AVG(metric_value) AS avg_value, MAX(metric_value) AS max_value,
    MIN(metric_value) AS min_value, COUNT(*) AS reports
FROM business_metrics
WHERE project = :project AND timestamp >= :from
GROUP BY business_id, metric_name
ORDER BY business_id, metric_name""",
    ),
    Ready(
        "system_metrics_by_component",
        "Each metric of each component: mean, greatest, least; of 24 hours.",
        24,
        """SELECT component, metric_name, AVG(metric_value) AS avg_value, MAX(metric_value) AS max_value,
    MIN(metric_value) AS min_value
FROM system_metrics
WHERE project = :project AND timestamp >= :from
GROUP BY component, metric_name
ORDER BY component, metric_name""",
    ),
)
