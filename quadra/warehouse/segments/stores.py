"""Which store the settings ask for. What an S3 store needs is loaded only where there is one: it costs memory."""

from __future__ import annotations

import importlib

from quadra.core.settings import Settings
from quadra.warehouse.segments.store import LocalStore, Store


def store_of(settings: Settings) -> Store:
    directory = settings.data_dir / "segments"
    if not settings.segment_s3:
        return LocalStore(directory)
    made: Store = importlib.import_module("quadra.warehouse.segments.s3_store").S3Store(settings, directory)
    return made
