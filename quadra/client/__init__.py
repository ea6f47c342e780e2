"""Send events to Quadra from Python: `from quadra.client import Client`. Knows nothing of the server's code."""

from quadra.client.client import Client
from quadra.client.delivery import Lost

__all__ = ["Client", "Lost"]
