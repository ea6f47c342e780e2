#!/usr/bin/env python3
"""`quadra bench` with a PostgreSQL of its own, where this machine has one: what `make bench` runs, from a checkout.

scripts/run_benchmarks.py                                    # ingest next to the limits of this machine
scripts/run_benchmarks.py --iterations 100 --output now.json # small pieces of work, in suites
scripts/run_benchmarks.py --iterations 100 --compare now.json
scripts/run_benchmarks.py --soak                             # any other measurement of `quadra bench`, on PostgreSQL
"""

import os
import signal
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
from tests.servers.redis import RedisServer

WITHOUT_POSTGRES = ("--iterations", "--suite", "--field", "--lenses", "--rest", "-h", "--help")
__all__ = ["BenchmarkSuite", "main"]


def main() -> int:
    command = [sys.executable, "-m", "quadra", "bench", *sys.argv[1:]]
    if any(word.startswith(WITHOUT_POSTGRES) for word in command):
        return run(command)
    keeper = Keeper()
    try:
        server = PostgresServer(keeper)
        try:
            if "--scale" in command:
                command += ["--replicas", RedisServer(keeper).url]
            return run([*command, "--postgres", server.database()])
        finally:
            server.stop()
    except NotAvailable as reason:
        print(f"Without PostgreSQL, or Redis for replicas: {reason}", file=sys.stderr)
        return run(command)
    finally:
        keeper.close()


def run(command: list[str]) -> int:
    """Ended early, it ends what it measures and writes what it found before the database goes."""
    with subprocess.Popen(command) as process:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: process.send_signal(number))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal has sent it to both
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
