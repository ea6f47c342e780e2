"""Everything that is checked, as a table of contents. To add a check: a function in a file here, a line in `CHECKS`.

A function gets the `Scene`, blocks as long as it likes (it is ended after `seconds`), and answers with `healthy(…)`,
`degraded(…)`, `unhealthy(…)`, or None where there is nothing to check. `docs/health.md` says of each what to do.
"""

from quadra.health.checks.ai import ai_provider
from quadra.health.checks.backlog import backlog, dead_letters, workers
from quadra.health.checks.backups import backups, point_in_time
from quadra.health.checks.clocks import clocks
from quadra.health.checks.database import connection_pool, database, database_write, migrations
from quadra.health.checks.files import files
from quadra.health.checks.installation import modules
from quadra.health.checks.machine import cpu, disk, memory
from quadra.health.checks.redis import limits, message_queue, redis
from quadra.health.checks.replication import replication
from quadra.health.checks.segments import segments
from quadra.health.verdict import DEGRADED, Check

CHECKS: tuple[Check, ...] = (
    Check("database", "ingest", database),
    Check("database_write", "ingest", database_write),
    Check("connection_pool", "ingest", connection_pool),
    Check("migrations", "ingest", migrations, keep_seconds=15),
    Check("modules", "ingest", modules, keep_seconds=300),
    Check("redis", "live", redis, worst=DEGRADED),
    Check("message_queue", "live", message_queue, worst=DEGRADED),
    Check("rate_limits", "live", limits, worst=DEGRADED),
    Check("workers", "analysis", workers),
    Check("backlog", "analysis", backlog),
    Check("dead_letters", "analysis", dead_letters, worst=DEGRADED),
    Check("segments", "analysis", segments, seconds=10, keep_seconds=30),
    Check("ai_provider", "ai", ai_provider, seconds=8, keep_seconds=60, worst=DEGRADED),
    Check("replication", "backups", replication, keep_seconds=15),
    Check("backups", "backups", backups, keep_seconds=60),
    Check("point_in_time", "backups", point_in_time, keep_seconds=60, worst=DEGRADED),
    Check("disk", "machine", disk),
    Check("files", "machine", files, keep_seconds=300, worst=DEGRADED),
    Check("memory", "machine", memory),
    Check("cpu", "machine", cpu, worst=DEGRADED),
    Check("clocks", "machine", clocks, worst=DEGRADED),
)
