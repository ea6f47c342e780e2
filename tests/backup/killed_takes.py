"""Take backups in children that are killed at one point after another, and print what the stores list after each.

Run as a program, with the settings in the environment: `python -m tests.backup.killed_takes POINTS`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys

from quadra.backup.stores.stores import Stores
from quadra.backup.take import take
from quadra.backup.verify import verify
from quadra.core.settings import Settings, load

WATCHED = ("open", "os.", "shutil.", "sqlite3.")
COUNT = 10**9
"""No take has so many steps: this one is only counted."""
seen = 0
deadly = 0


def watch(event: str, _arguments: object) -> None:
    """Count what touches files; die at the chosen one, as by a power cut."""
    global seen  # noqa: PLW0603 - an audit hook has nowhere else to count
    if deadly and event.startswith(WATCHED):
        seen += 1
        if seen == deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def child(settings: Settings, at: int) -> int:
    """The signal that ended it, 0 for none."""
    global deadly  # noqa: PLW0603
    pid = os.fork()
    if pid == 0:
        deadly = at
        take(settings, "full")
        if at == COUNT:
            os.write(1, str(seen).encode())
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(points: int) -> None:
    settings = load()
    read, write = os.pipe()
    saved = os.dup(1)
    os.dup2(write, 1)
    child(settings, COUNT)
    os.dup2(saved, 1)
    os.close(write)
    with os.fdopen(read) as said:
        whole = int(said.read())
    results = []
    for number in range(points):
        shutil.rmtree(Stores(settings).home.root, ignore_errors=True)  # each take has the same steps to do
        killed_by = child(settings, 1 + number * (whole - 1) // (points - 1))
        kept = Stores(settings).list()
        sound = [verify(settings, one, "decompress").ok for one in kept]
        results.append({"killed_by": killed_by, "listed": len(kept), "sound": all(sound)})
    last = take(settings, "full").id
    left = [path.name for path in Stores(settings).home.root.glob(".*.part")]
    sys.stdout.write(json.dumps({"steps": whole, "results": results, "left": left, "last": last}))


if __name__ == "__main__":
    sys.addaudithook(watch)
    main(int(sys.argv[1]))
