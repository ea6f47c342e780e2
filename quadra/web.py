"""The door for gunicorn: `gunicorn -c deploy/gunicorn.conf.py quadra.web:app`."""

from __future__ import annotations

from quadra.app import create_app
from quadra.core import settings
from quadra.core.runtime import build

app = create_app(build(settings.load()))
