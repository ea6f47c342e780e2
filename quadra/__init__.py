"""Quadra: a self-hosted, real-time event analytics server."""

import os
import warnings

__version__ = "0.1.0"

# Nothing is monkey-patched, so nobody uses eventlet's own name resolution: its import costs each process 19 MB and 0.3 s.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")

# Whoever runs Quadra cannot act on this at every start; docs/decisions/0002 says what follows from it.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
