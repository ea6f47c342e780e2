"""What pages load: scripts, styles, libraries. Set-up bundles and packs them (scripts/bundle_frontend.mjs); an address then
names the content by `?v=`, so that a browser keeps it for a year. What was edited since, or never bundled, is served as it lies
in `static/`, and asked for again each time.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request, send_file, send_from_directory

HERE = Path(__file__).parent
YEAR = 365 * 24 * 3600
LOOK_EVERY = 1.0
"""Seconds between two looks at whether sources are still those of their bundles."""
PACKED = {"br": ".br", "gzip": ".gz", "identity": ""}
"""Encoding -> the ending of the file that has it; the first one that a browser likes as much as any is sent."""


@dataclass(frozen=True, slots=True)
class Bundle:
    hash: str
    file: Path


@dataclass(slots=True)
class Bundles:
    """The bundles whose sources are unchanged. Of each source the digest is known for as long as its size and time stay."""

    static: Path = HERE / "static"
    built: Path = HERE / "built"
    _sound: dict[str, Bundle] = field(default_factory=dict)
    _digests: dict[str, tuple[tuple[int, int], str]] = field(default_factory=dict)
    _looked_at: float = float("-inf")

    def get(self, name: str) -> Bundle | None:
        if time.monotonic() - self._looked_at >= LOOK_EVERY:
            self._sound = self._look()
            self._looked_at = time.monotonic()
        return self._sound.get(name)

    def _look(self) -> dict[str, Bundle]:
        try:
            manifest = json.loads((self.built / "manifest.json").read_bytes())
        except (OSError, ValueError):  # not bundled, or being bundled right now
            return {}
        now = {source: self._digest(source) for one in manifest.values() for source in one["inputs"]}
        return {
            name: Bundle(one["hash"], self.built / one["file"])
            for name, one in manifest.items()
            if all(now[source] == digest for source, digest in one["inputs"].items())
        }

    def _digest(self, source: str) -> str | None:
        path = self.static / source
        try:
            stat = path.stat()
            seen, digest = self._digests.get(source, (None, ""))
            if seen != (stat.st_mtime_ns, stat.st_size):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                self._digests[source] = (stat.st_mtime_ns, stat.st_size), digest
        except OSError:
            return None
        return digest


bundles = Bundles()


def set_up(blueprint: Blueprint) -> None:
    """Give a blueprint the endpoint `static`, and every address of it the hash of what it leads to."""
    blueprint.add_url_rule("/static/dashboard/<path:filename>", endpoint="static", view_func=serve)
    blueprint.app_url_defaults(_version)


def serve(filename: str) -> Response:
    """Where another release asks for its own content, as while one is rolled out, it gets this one's, and keeps it nowhere."""
    asked = request.args.get("v")
    bundle = bundles.get(filename) if asked else None
    if bundle is None:
        return send_from_directory(HERE / "static", filename)
    encoding = request.accept_encodings.best_match(list(PACKED)) or "identity"
    path = bundle.file.with_name(bundle.file.name + PACKED[encoding])
    kept = YEAR if asked == bundle.hash else None
    try:
        response = send_file(path, download_name=filename, etag=f"{bundle.hash}-{encoding}", max_age=kept)
    except FileNotFoundError:  # bundled anew just now
        return send_from_directory(HERE / "static", filename)
    response.vary.add("Accept-Encoding")
    if kept:
        response.cache_control.immutable = True
    if encoding != "identity":
        response.content_encoding = encoding
    return response


def _version(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == "dashboard.static" and (bundle := bundles.get(values["filename"])):
        values.setdefault("v", bundle.hash)
