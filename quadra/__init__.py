"""Quadra: a self-hosted, real-time event analytics server."""

import warnings

__version__ = "0.1.0"

# Whoever runs Quadra cannot act on this at every start; docs/decisions/0002 says what follows from it.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
