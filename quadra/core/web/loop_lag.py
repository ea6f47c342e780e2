"""How long the event loop is held: a timer that asks for its turn twenty times a second, and measures how late it gets it.
Where the loop's thread has done next to nothing for a while it asks less often: at rest those turns are what a process costs.

Whatever computes on the loop makes everybody wait, and so does whatever keeps the interpreter from it. A busy machine makes the
timer late as well; so a second figure counts, of each delay, no more than what this process has computed meanwhile.
"""

from __future__ import annotations

import time

from quadra.core.observing.metrics import histogram
from quadra.core.web.loop import Loop, until_next

EVERY_SECONDS = 0.05
"""What holds the loop for less may pass unseen; it is the bound of what one request may."""
REST_SECONDS = 0.25
WINDOW_SECONDS = 2.0
"""After each the timer is chosen for the next one."""
REST_SHARE = 0.015
"""Of a core, on the loop's thread: less is rest. Pages that are left open take half of it."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

event_loop_lag_seconds = histogram(
    "event_loop_lag_seconds",
    "How late a timer of the event loop was, asked twenty times a second, at rest four times.",
    buckets=BUCKETS,
)
event_loop_held_seconds = histogram(
    "event_loop_held_seconds", "The part of each lag in which this process was computing.", buckets=BUCKETS
)


def watch(loop: Loop) -> None:
    """Measure for as long as the process runs. On the loop."""
    loop.spawn(_measure_for_ever, loop)


def _measure_for_ever(loop: Loop) -> None:
    rests, since, worked = False, time.perf_counter(), time.thread_time()
    while True:
        seconds = until_next(REST_SECONDS) if rests else EVERY_SECONDS
        at, computed = time.perf_counter(), time.process_time()
        loop.sleep(seconds)
        now = time.perf_counter()
        late = max(0.0, now - at - seconds)
        event_loop_lag_seconds.observe(late)
        event_loop_held_seconds.observe(min(late, time.process_time() - computed))
        if now - since > WINDOW_SECONDS:
            busy = time.thread_time() - worked
            rests = busy < REST_SHARE * (now - since)
            since, worked = now, worked + busy
