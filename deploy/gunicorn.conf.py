"""gunicorn for Quadra: `gunicorn -c deploy/gunicorn.conf.py quadra.web:app`, one such process for each replica.

The worker is Quadra's own: gunicorn's eventlet worker patches the whole standard library, which Quadra neither needs nor
survives. Settings come from the environment as everywhere (docs/settings.md).
"""

import os
import sys
from pathlib import Path

from quadra.core import lazy
from quadra.core.observing import metrics_directory

lazy.put_off()
bind = f"{os.environ.get('QUADRA_HOST', '0.0.0.0')}:{os.environ.get('QUADRA_PORT', '5000')}"
worker_class = "quadra.core.web.server.EventLoopWorker"
# Socket.IO clients must come back to the process that knows them: more replicas, never more workers (refused)
workers = 1
preload_app = False  # the event loop must be made after the fork
graceful_timeout = 40  # longer than QUADRA_DRAIN_DELAY (15 s at the most), flushing and the last answers
timeout = 60
backlog = 2048
# its default lies in the home directory, where replicas of one user would take it from each other
control_socket_disable = True
# the heartbeat file of the worker must not lie on a disk that may be slow
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112


def on_starting(server):
    if server.cfg.workers != 1:
        sys.exit(
            f"Quadra does not start: gunicorn was asked for {server.cfg.workers} workers. Socket.IO clients must come back "
            "to the process that knows them: run one worker (--workers 1), and more replicas behind a balancer."
        )
    if directory := metrics_directory.directory():  # what an earlier start left would be counted as ours
        metrics_directory.empty(Path(directory))
