"""`quadra serve` with a fault that begins when a file appears: faulty.py KIND FILE serve …"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KIND, FLAG = sys.argv[1], Path(sys.argv[2])
SPARED = ("/health", "/metrics")
"""So that the fault is in what it answers to its users, not in its life."""
SLOW_SECONDS = 3.0
LEAK_BYTES = 600 * 2**20

if KIND == "exits" and FLAG.exists():
    sys.exit("It does not start any more.")

from quadra.cli import main  # noqa: E402
from quadra.core.web.loop import Loop  # noqa: E402

original = Loop.server


def server(self: Loop, listener: Any, app: Any, *more: Any) -> Any:
    def run(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if FLAG.exists() and not environ["PATH_INFO"].startswith(SPARED):
            if KIND == "errors":
                start_response("500 Internal Server Error", [("Content-Length", "6")])
                return [b"broken"]
            if KIND == "slow":
                self.sleep(SLOW_SECONDS)
        return app(environ, start_response)

    return original(self, listener, run, *more)


def leak() -> None:
    """Until it has taken so much; never the machine's last."""
    held: list[bytes] = []
    while sum(map(len, held)) < LEAK_BYTES:
        time.sleep(0.2)
        if FLAG.exists():
            held.append(b"x" * (20 * 2**20))
    while held:
        time.sleep(1)


Loop.server = server  # type: ignore[method-assign]
if KIND == "leak":
    threading.Thread(target=leak, daemon=True).start()
sys.argv = ["quadra", *sys.argv[3:]]
main()
