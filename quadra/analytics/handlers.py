"""Erasing a person, whole. The warehouse enqueues that kind of job and knows nothing of the rooms above, which name people
too: insights and saved views. So its handler is this one, in place of the warehouse's.
"""

from __future__ import annotations

from dataclasses import replace

from quadra.analytics import forgetting
from quadra.jobs.handlers import Handler
from quadra.warehouse import handlers as warehouse
from quadra.warehouse.erasure.jobs import ERASE

HANDLERS: dict[str, Handler] = {ERASE: replace(warehouse.HANDLERS[ERASE], work=forgetting.erase_person)}
