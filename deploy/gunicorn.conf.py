"""gunicorn for Quadra: `gunicorn -c deploy/gunicorn.conf.py quadra.web:app`, one such process for each replica.

The worker is Quadra's own: gunicorn's eventlet worker patches the whole standard library, which Quadra neither needs nor
survives. Settings come from the environment as everywhere (docs/settings.md).
"""

import os

bind = f"{os.environ.get('QUADRA_HOST', '0.0.0.0')}:{os.environ.get('QUADRA_PORT', '5000')}"
worker_class = "quadra.core.server.EventLoopWorker"
# Socket.IO clients must come back to the process that knows them: more replicas, never more workers
workers = 1
preload_app = False  # the event loop must be made after the fork
graceful_timeout = 20
timeout = 60
backlog = 2048
