"""The job kinds of lenses: exports, and erasing a person, whole. The warehouse enqueues that kind of job and knows nothing of the
rooms above, which name people too: insights and saved views. So its handler is this one, in place of the warehouse's.
"""

from __future__ import annotations

from dataclasses import replace

from quadra.analytics import export_job, forgetting
from quadra.analytics.export_files import EXPORT
from quadra.jobs.handlers import Handler
from quadra.warehouse import handlers as warehouse
from quadra.warehouse.erasure.jobs import ERASE

HANDLERS: dict[str, Handler] = {
    EXPORT: export_job.HANDLER,
    ERASE: replace(warehouse.HANDLERS[ERASE], work=forgetting.erase_person),
}
