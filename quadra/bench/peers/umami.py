"""Umami as the comparison runs it: its source from npm, built for production, on a database of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import psycopg

from quadra.bench.peers.history import View
from quadra.bench.peers.product import (
    FUNNEL,
    PAGE_VIEWS,
    RETENTION,
    TOP,
    TOP_PAGES,
    VISITORS,
    Door,
    NotHere,
    call,
    count,
    dsn_of,
)
from quadra.bench.processes import Process, node
from quadra.core import clock

VERSION = "2.10.0"
"""The newest whole source under the name `umami` in the npm registry; later releases are images and Git tags alone."""
PRISMA = "6.19.3"
BUILD_PACKAGES = ("typescript", "esbuild", "@types/", "@svgr/", "postcss")
SCHEMA = Path("db", "postgresql")
WRAPPER = Path("node_modules", "@umami", "prisma-client", "dist", "index.js")
QUIET = {
    "NEXT_TELEMETRY_DISABLED": "1",
    "CHECKPOINT_DISABLE": "1",
    "NODE_ENV": "production",
    # `prisma generate` looks for a program that only migrations run, and that no package of the registry holds
    "PRISMA_SCHEMA_ENGINE_BINARY": shutil.which("true") or "/bin/true",
}
Say = Callable[[str], None]


class Umami:
    name = "Umami"
    version = VERSION
    doors = (Door("its door, one event a request", "send", 1),)

    def __init__(self, process: Process, database_url: str):
        self.process = process
        self.dsn = dsn_of(database_url)
        login = call(f"{process.url}/api/auth/login", {}, {"username": "admin", "password": "umami"})
        self._headers = {"Authorization": f"Bearer {login['token']}"}
        site = call(f"{process.url}/api/websites", self._headers, {"name": "Shop", "domain": "shop.example"})
        self.key = str(site["id"])

    def fill(self, views: Iterable[View]) -> None:
        """Straight into its tables, since its door takes nothing of the past."""
        seen: dict[int, datetime] = {}
        with psycopg.connect(self.dsn) as connection, connection.cursor() as cursor:
            columns = "event_id, website_id, session_id, created_at, url_path, referrer_path, page_title, event_type"
            with cursor.copy(f"COPY website_event ({columns}) FROM STDIN") as copy:
                for view in views:
                    seen[view.visitor] = min(view.at, seen.get(view.visitor, view.at))
                    before = None if view.before is None else f"/p/{view.before}"
                    person, page = UUID(int=view.visitor + 1), f"/p/{view.page}"
                    copy.write_row((uuid4(), self.key, person, view.at, page, before, f"Product {view.page}", 1))
            columns = "session_id, website_id, hostname, browser, os, device, screen, language, created_at"
            told = ("shop.example", "chrome", "Linux", "desktop", "1920x1080", "en-US")
            with cursor.copy(f"COPY session ({columns}) FROM STDIN") as copy:
                for visitor, first in seen.items():
                    copy.write_row((UUID(int=visitor + 1), self.key, *told, first))

    def rows(self) -> int:
        return count(self.dsn, "website_event")

    def file_bytes(self) -> int:
        return 0

    def ask(self, panel: str, start: datetime, end: datetime) -> int | None:
        asked = {"startAt": int(start.timestamp() * 1000), "endAt": int(end.timestamp() * 1000)}
        if panel == PAGE_VIEWS:
            days = self._get("pageviews", {**asked, "unit": "day", "timezone": "UTC"})["pageviews"]
            return sum(int(day["y"]) for day in days)
        if panel == VISITORS:
            return int(self._get("stats", asked)["uniques"]["value"])
        if panel == TOP_PAGES:
            return int(self._get("metrics", {**asked, "type": "url", "limit": TOP})[0]["y"])
        between = {"startDate": clock.iso(start), "endDate": clock.iso(end), "timezone": "UTC"}
        report = {"websiteId": self.key, "dateRange": between}
        if panel == RETENTION:
            call(f"{self.process.url}/api/reports/retention", self._headers, report)
        if panel == FUNNEL:
            steps = {"urls": ["/p/1", "/p/2"], "window": 60}
            call(f"{self.process.url}/api/reports/funnel", self._headers, {**report, **steps})
        return None

    def _get(self, what: str, asked: dict[str, Any]) -> Any:
        return call(f"{self.process.url}/api/websites/{self.key}/{what}?{urlencode(asked)}", self._headers)


@contextmanager
def running(folder: Path, database_url: str) -> Iterator[Umami]:
    """What `prepared` built, on an empty database."""
    with psycopg.connect(dsn_of(database_url), autocommit=True) as connection:
        for path in sorted((folder / SCHEMA / "migrations").glob("*/migration.sql")):
            connection.execute(path.read_bytes())
    known = {**QUIET, "DATABASE_URL": dsn_of(database_url), "APP_SECRET": uuid4().hex}
    arguments = ["node_modules/.bin/next", "start", "--hostname", "127.0.0.1", "--port", "{port}"]
    process = Process("Umami", arguments, known, "/api/heartbeat", program=node()[0], cwd=folder)
    try:
        yield Umami(process, database_url)
    finally:
        process.stop()


def prepared(folder: Path, say: Say) -> Path:
    """Fetch and build it, once; the folder with the build. Raises `NotHere`."""
    place, done = folder / f"umami-{VERSION}", folder / f"umami-{VERSION}.built"
    if done.exists():
        return place
    if shutil.which("npm") is None:
        raise NotHere("npm is not on this machine")
    shutil.rmtree(place, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"Umami {VERSION}: fetching from npm and building (some minutes, once)")
    try:
        _run(folder, "npm", "pack", "--silent", f"umami@{VERSION}")
        with tarfile.open(folder / f"umami-{VERSION}.tgz") as packed:
            packed.extractall(place, filter="data")
        _flatten(place)
        _choose_packages(place / "package.json")
        _run(place, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps")
        _connect_by_driver(place)
        # `next start` needs no copy of what it runs, and looking for its parts takes longer than the rest of the build
        _replace(place / "next.config.js", "output: 'standalone',", "outputFileTracing: false,")
        _run(place, "npx", "prisma", "generate")
        _run(place, "npx", "next", "build")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        printed = getattr(error, "stdout", None) or b""
        raise NotHere(f"{error}; {printed.decode(errors='replace')[-500:].strip()}") from error
    done.touch()
    return place


def _flatten(place: Path) -> None:
    """npm packs everything below `package/`."""
    for path in (place / "package").iterdir():
        path.rename(place / path.name)


def _choose_packages(path: Path) -> None:
    """Prisma with a client that needs no engine outside the registry, as Umami 3 uses it; no linters and no tools of tests."""
    known = json.loads(path.read_text())
    known["dependencies"] |= {
        "prisma": PRISMA,
        "@prisma/client": PRISMA,
        "@prisma/adapter-pg": PRISMA,
    }
    wanted = known["devDependencies"]
    known["devDependencies"] = {name: wanted[name] for name in wanted if name.startswith(BUILD_PACKAGES)}
    path.write_text(json.dumps(known, indent=1))


def _connect_by_driver(place: Path) -> None:
    schema = place / "prisma"
    shutil.copytree(place / SCHEMA, schema)
    _replace(schema / "schema.prisma", '"prisma-client-js"', '"prisma-client-js"\n  engineType = "client"')
    opened = "new client$2.PrismaClient({"
    adapter = 'new (require("@prisma/adapter-pg").PrismaPg)({ connectionString: process.env.DATABASE_URL })'
    _replace(place / WRAPPER, opened, f"{opened}\n    adapter: {adapter},")
    _replace(place / WRAPPER, "$queryRawUnsafe(query, params)", "$queryRawUnsafe(query, ...params)")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        raise OSError(f"{path.name} has no {old!r}: another version than {VERSION}")
    path.write_text(text.replace(old, new))


def _run(directory: Path, *command: str) -> None:
    environment = {**os.environ, **QUIET, "DATABASE_URL": "postgresql://nobody@127.0.0.1/none"}
    if command[1] == "install":
        environment["NODE_ENV"] = "development"  # else npm leaves out what the build needs
    subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        timeout=1_500,
    )
