"""One product after the other, in turns: at rest, over a past, and under load, with every acknowledgement looked for."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from quadra.bench.peers.history import DAYS, truth, views
from quadra.bench.peers.product import PAGE_VIEWS, PANELS, TOP_PAGES, VISITORS, Door, Product
from quadra.bench.peers.used import Trees, cpu, database_bytes, memory_mb, settle
from quadra.bench.processes import node
from quadra.core import clock
from quadra.core.errors import Misconfigured

SEND = Path(__file__).with_name("send.mjs")
REST_SECONDS = 10
WARM = 300
"""Requests at each door before it is measured: what compiles at the first ones is not what an event costs."""
ASKED = 5
"""How often a panel is asked, over a range that ends a second later each time, so that no answer is a kept one."""


class Sizes(msgspec.Struct, frozen=True):
    """How much is asked of each product in a turn."""

    events: int
    seconds: float
    clients: int
    requests: int = 0
    """Of a run at the most; 0 is no bound."""


class Panel(msgspec.Struct):
    panel: str
    ms: float
    cpu_ms: float
    """Of the product and of the database together."""


class Load(msgspec.Struct):
    door: str
    events_per_second: float
    acknowledged: int
    failed: int
    p50_ms: float
    p99_ms: float
    product_us_per_event: float
    database_us_per_event: float
    product_mb: float
    """The most that was seen."""
    generator_cpu_share: float
    settled: bool


class Turn(msgspec.Struct):
    """What one product did in one turn."""

    product: str
    version: str
    measured_at: str
    load_before: float
    rest_cpu_percent: float
    rest_mb: float
    database_bytes_per_event: float
    file_bytes_per_event: float
    panels: list[Panel]
    loads: list[Load]


class Sent(msgspec.Struct):
    """What send.mjs prints."""

    events_per_second: float
    acknowledged: int
    failed: int
    unanswered: int
    p50_ms: float
    p99_ms: float
    generator_cpu_share: float
    reason: str | None = None


SENT = msgspec.json.Decoder(Sent)


def turn(product: Product, database: int, sizes: Sizes, say: Callable[[str], None]) -> Turn:
    """`database` is the process of PostgreSQL. Raises `AssertionError` where something acknowledged is not stored, or an
    answer is not the truth.
    """
    trees = Trees(product.process.pid, database)
    load_before = os.getloadavg()[0]
    settle(trees)
    rest = cpu(trees)
    time.sleep(REST_SECONDS)
    rest_percent = cpu(trees).since(rest).product / REST_SECONDS * 100
    rest_mb = memory_mb(trees.product)
    start = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    empty = database_bytes(product.dsn)
    product.fill(views(sizes.events, start))
    settle(trees)
    grown = database_bytes(product.dsn) - empty
    panels = [_panel(product, trees, panel, start, sizes.events) for panel in PANELS]
    loads = []
    for door in product.doors:
        loads.append(_load(product, trees, door, sizes))
        say(f"{product.name}, {door.title}: {msgspec.json.encode(loads[-1]).decode()}")
    return Turn(
        product.name,
        product.version,
        clock.iso(datetime.now(UTC)),
        round(load_before, 1),
        round(rest_percent, 1),
        rest_mb,
        round(grown / sizes.events, 1),
        round(product.file_bytes() / sizes.events, 1),
        panels,
        loads,
    )


def _panel(product: Product, trees: Trees, panel: str, start: datetime, events: int) -> Panel:
    known = dict(zip((PAGE_VIEWS, VISITORS, TOP_PAGES), truth(events, start), strict=True))
    end = start + timedelta(days=DAYS)
    answered = product.ask(panel, start, end)  # loads what only the first question loads
    if answered is not None and answered != known[panel]:
        raise AssertionError(f"{product.name} answers {answered} for {panel}, and {known[panel]} is true")
    taken = []
    before = cpu(trees)
    for later in range(1, ASKED + 1):
        began = time.perf_counter()
        product.ask(panel, start, end + timedelta(seconds=later))
        taken.append(time.perf_counter() - began)
    used = cpu(trees).since(before)
    return Panel(panel, round(statistics.median(taken) * 1000, 1), round(sum(used) / ASKED * 1000, 1))


def _load(product: Product, trees: Trees, door: Door, sizes: Sizes) -> Load:
    send(product.process.url, product.key, door, msgspec.structs.replace(sizes, requests=WARM))
    settle(trees)
    stored, before = product.rows(), cpu(trees)
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(send, product.process.url, product.key, door, sizes)
        most = 0.0
        while not sending.done():
            most = max(most, memory_mb(trees.product))
            time.sleep(0.5)
        sent = sending.result()
    settled = settle(trees)  # what is done for these events later is part of their cost
    used = cpu(trees).since(before)
    stored = product.rows() - stored
    if sent.unanswered == 0 and sent.failed == 0 and stored != sent.acknowledged:
        raise AssertionError(f"{product.name} acknowledged {sent.acknowledged} events and stored {stored}")
    if stored < sent.acknowledged:
        raise AssertionError(f"{product.name} acknowledged {sent.acknowledged} events and stored only {stored}")
    if not sent.acknowledged:
        raise Misconfigured(f"{product.name} took no event: {sent.reason}")
    return Load(
        door.title,
        sent.events_per_second,
        sent.acknowledged,
        sent.failed + sent.unanswered,
        sent.p50_ms,
        sent.p99_ms,
        round(used.product / sent.acknowledged * 1e6, 1),
        round(used.database / sent.acknowledged * 1e6, 1),
        most,
        sent.generator_cpu_share,
        settled,
    )


def send(url: str, key: str, door: Door, sizes: Sizes) -> Sent:
    options = {"url": url, "key": key, "door": door.door, "size": door.size}
    given = json.dumps({**options, "clients": sizes.clients, "seconds": sizes.seconds, "requests": sizes.requests})
    done = subprocess.run([*node(), str(SEND), given], check=False, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Misconfigured(f"The load generator failed:\n{done.stderr[-1500:]}")
    return SENT.decode(done.stdout)
