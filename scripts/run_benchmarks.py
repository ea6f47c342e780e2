#!/usr/bin/env python3
"""`quadra bench` with a PostgreSQL of its own, where this machine has one: what `make bench` runs, from a checkout.

scripts/run_benchmarks.py                                    # ingest next to the limits of this machine
scripts/run_benchmarks.py --iterations 100 --output now.json # small pieces of work, in suites
scripts/run_benchmarks.py --iterations 100 --compare now.json
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
if sys.prefix == sys.base_prefix and PYTHON.exists():  # any python3 will do to start it
    os.execv(PYTHON, [str(PYTHON), __file__, *sys.argv[1:]])
sys.path.insert(0, str(ROOT))

from quadra.bench.suite import BenchmarkSuite
from tests.servers.available import NotAvailable
from tests.servers.keeper import Keeper
from tests.servers.postgres import PostgresServer

__all__ = ["BenchmarkSuite", "main"]


def main() -> int:
    command = [sys.executable, "-m", "quadra", "bench", *sys.argv[1:]]
    if any(word.startswith(("--iterations", "--suite", "-h", "--help")) for word in command):  # they need no PostgreSQL
        return subprocess.run(command).returncode
    keeper = Keeper()
    try:
        server = PostgresServer(keeper)
        try:
            return subprocess.run([*command, "--postgres", server.database()]).returncode
        finally:
            server.stop()
    except NotAvailable as reason:
        print(f"Without PostgreSQL: {reason}", file=sys.stderr)
        return subprocess.run(command).returncode
    finally:
        keeper.close()


if __name__ == "__main__":
    sys.exit(main())
