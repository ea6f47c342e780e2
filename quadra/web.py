"""The door for gunicorn: `gunicorn -c deploy/gunicorn.conf.py quadra.web:app`."""

from __future__ import annotations

import faulthandler
import os
import sys

from gunicorn.arbiter import Arbiter

from quadra.app import create_app
from quadra.core import file_modes, settings
from quadra.core.errors import QuadraError
from quadra.core.observing import logs
from quadra.core.presence import Presence
from quadra.core.runtime import build
from quadra.core.web import http

faulthandler.enable()
os.umask(0o077)  # whatever the supervisor's was: see core/file_modes.py
try:
    runtime = build(settings.load())
    logs.set_up(runtime.settings, "web", http.about_request)
    file_modes.mend(runtime.settings)
    presence = Presence(runtime, master_pid=os.getppid())
    presence.enter()
    app = create_app(runtime)
except QuadraError as error:
    sys.stderr.write(f"Quadra does not start: {error.message}\n")
    sys.exit(Arbiter.APP_LOAD_ERROR)  # ends the master too: starting again by itself would not help
presence.attach()
