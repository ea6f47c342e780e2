"""Large libraries are loaded at their first use: by a process of its own each, as what is loaded belongs to the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quadra.core import lazy


def said_by(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


@pytest.mark.parametrize("entry", ["quadra.worker", "quadra.serve"])
def test_an_entry_point_loads_none_of_them(entry: str) -> None:
    said = said_by(
        f"import sys; from quadra.core import lazy; lazy.put_off(); import {entry}; "
        "print([name for name in lazy.LIBRARIES if type(sys.modules[name]) is not lazy._Lazy])"
    )
    assert said == "[]", f"a constant, an alias or a base class is made of {said} while modules are imported"


def test_the_first_use_loads_it_whole_for_every_thread() -> None:
    said = said_by("""
from quadra.core import lazy
lazy.put_off()
import threading, types
import time
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
asked, until = lazy.is_ready(np), time.monotonic() + 60
while not lazy.is_ready(np) and time.monotonic() < until:
    time.sleep(0.01)
ready = type(np) is types.ModuleType and type(pa) is lazy._Lazy
from pyarrow import parquet
import duckdb
import psycopg
gate, sums = threading.Barrier(8), []
def add():
    gate.wait(60)
    sums.append(pc.sum(pa.array([1, 2])).as_py())
threads = [threading.Thread(target=add) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
one = duckdb.connect().execute("SELECT 1 AS one").to_arrow_table()
try:
    pa.no_such_thing
except AttributeError as error:
    print(asked, ready, sums == [3] * 8, isinstance(one, pa.Table), type(pa) is types.ModuleType, error)
""")
    assert said == "False True True True True module 'pyarrow' has no attribute 'no_such_thing'"


def test_their_machine_code_is_where_it_is_looked_for() -> None:
    site = Path(np.__path__[0]).parent
    assert [len(list(site.glob(pattern))) for pattern in lazy.SHARED.values()] == [1] * len(lazy.SHARED)


def test_what_is_not_installed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "LIBRARIES", ("no_such_library",))
    lazy.put_off()
    assert "no_such_library" not in sys.modules
