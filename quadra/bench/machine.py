"""On what was measured: it stands in every file of figures."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import psutil

from quadra import __version__
from quadra.core import clock

LIBRARIES = (
    "eventlet",
    "gunicorn",
    "python-socketio",
    "sqlalchemy",
    "msgspec",
    "orjson",
    "psycopg",
    "duckdb",
    "pyarrow",
)


def machine() -> dict[str, Any]:
    return {
        "measured_at": clock.iso(clock.now()),
        "quadra": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load_before": round(os.getloadavg()[0], 1),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
