#!/usr/bin/env python3
"""Quadra beside other products, on this machine and one PostgreSQL, with the same events: docs/benchmarks-peers.md.

scripts/bench_peers.py                                   # all that can be had here, in turns; makes the page again
scripts/bench_peers.py --only quadra,umami --rounds 1    # some of them, once
scripts/bench_peers.py --page                            # only the page, of the figures that are kept

What is fetched and built lies in .peers/ and is used again. Nothing else of the machine is changed.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
if sys.prefix == sys.base_prefix and PYTHON.exists():  # any python3 will do to start it
    os.execv(PYTHON, [str(PYTHON), __file__, *sys.argv[1:]])
sys.path.insert(0, str(ROOT))

import msgspec

from quadra.bench.machine import machine
from quadra.bench.peers import ours, umami
from quadra.bench.peers.measure import Sizes, Turn, turn
from quadra.bench.peers.page import Published, Report, page
from quadra.bench.peers.product import NotHere, Product
from tests.servers.available import NotAvailable
from tests.servers.keeper import Keeper
from tests.servers.postgres import PostgresServer

T = TypeVar("T", int, float)
PRODUCTS = ("quadra", "umami", "shynet")
FIGURES = ROOT / "docs" / "benchmarks" / "peers.json"
PUBLISHED = FIGURES.with_name("published.json")
PAGE = ROOT / "docs" / "benchmarks-peers.md"
SHYNET = "no package of PyPI or npm holds it: it is published as a container image and a Git repository, and needs one of them"


def main() -> int:
    asked = arguments()
    if not asked.page:
        try:
            report = measured(asked)
        except NotAvailable as reason:
            print(f"PostgreSQL is needed, and not here: {reason}", file=sys.stderr)
            return 1
        FIGURES.parent.mkdir(exist_ok=True)
        FIGURES.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    PAGE.write_text(page_of(FIGURES, PUBLISHED))
    return 0


def page_of(figures: Path, published: Path) -> str:
    report = msgspec.json.decode(figures.read_bytes(), type=Report)
    return page(report, msgspec.json.decode(published.read_bytes(), type=list[Published]))


def some(kind: Callable[[str], T]) -> Callable[[str], T]:
    """A number above zero: of nothing there is nothing to measure."""

    def read(text: str) -> T:
        if not 0 < float(found := kind(text)) < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return found

    read.__name__ = kind.__name__  # how argparse calls what it cannot read
    return read


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PRODUCTS), metavar="NAMES", help=f"of {', '.join(PRODUCTS)}")
    parser.add_argument(
        "--events", type=some(int), default=100_000, help="page views of the past that panels are asked about"
    )
    parser.add_argument("--seconds", type=some(float), default=8.0, help="of load at each door")
    parser.add_argument("--clients", type=some(int), default=32, help="connections that send")
    parser.add_argument("--rounds", type=some(int), default=2, help="turns of each product")
    parser.add_argument("--folder", type=Path, default=ROOT / ".peers", help="where what is fetched is kept")
    parser.add_argument("--page", action="store_true", help="measure nothing, make the page again")
    asked = parser.parse_args()
    asked.only = [name.strip().lower() for name in asked.only.split(",") if name.strip()]
    if not asked.only:
        parser.error(f"--only: name one or some of {', '.join(PRODUCTS)}")
    if unknown := sorted(set(asked.only) - set(PRODUCTS)):
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(PRODUCTS)}")
    return asked


def measured(asked: argparse.Namespace) -> Report:
    facts, missing, turns = machine(), dict[str, str](), list[Turn]()
    sizes = Sizes(asked.events, asked.seconds, asked.clients)
    folder = built(asked, missing)
    with ExitStack() as stack:
        keeper = Keeper()
        stack.callback(keeper.close)
        server = PostgresServer(keeper)
        stack.callback(server.stop)
        for number in range(asked.rounds):
            for name in asked.only:
                if name in missing:
                    continue
                url = server.database()
                pid = int((server.data / "postmaster.pid").read_text().split()[0])
                with ExitStack() as running:
                    product: Product = (
                        running.enter_context(ours.running(url))
                        if name == "quadra"
                        else running.enter_context(umami.running(folder, url))
                    )
                    print(f"round {number + 1}: {product.name} {product.version}", file=sys.stderr)
                    turns.append(turn(product, pid, sizes, lambda line: print(line, file=sys.stderr)))
                server.drop(url)
    return Report(json.loads(msgspec.json.encode(facts)), sizes, missing, umami.PRISMA, turns)


def built(asked: argparse.Namespace, missing: dict[str, str]) -> Path:
    """What has to be built before anything is measured. What cannot be had is said by name, and left out."""
    if "shynet" in asked.only:
        missing["shynet"] = SHYNET
    folder = asked.folder.absolute()
    if "umami" in asked.only:
        try:
            folder = umami.prepared(folder, lambda line: print(line, file=sys.stderr))
        except NotHere as reason:
            missing["umami"] = str(reason)
    for name, reason in missing.items():
        print(f"{name} cannot be had here: {reason}", file=sys.stderr)
    return folder


if __name__ == "__main__":
    sys.exit(main())
