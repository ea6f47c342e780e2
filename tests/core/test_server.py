"""The server on the event loop, as `quadra serve` and gunicorn start it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


@pytest.mark.parametrize(
    "program",
    [
        "import duckdb; from quadra.core import collector; collector.spare()",
        "from quadra.core.collector import spared_while_importing as s\nwith s():\n    import duckdb",
    ],
)
def test_what_was_spared_the_collector_is_collected_at_the_end(program: str) -> None:
    """Else DuckDB's binding counts its types, and prints them as leaks behind "Stopped"."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_loaded_at_the_start_is_not_looked_through_again_by_the_collector() -> None:
    program = """
        import gc
        from types import SimpleNamespace
        from quadra.core.web.loop import Loop
        from quadra.core.web.server import begin

        served = []
        runtime = SimpleNamespace(loop=Loop("eventlet"), on_start=[lambda: served.append("started")])
        begin(runtime, SimpleNamespace(start=lambda: served.append(gc.get_freeze_count() > 20_000)))
        print(served, len(gc.get_objects()) < 10_000)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['started', True] True"
