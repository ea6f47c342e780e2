"""The files: nobody else on this machine may read them."""

from __future__ import annotations

from pathlib import Path

from quadra.core import file_modes
from quadra.health.context import CheckContext
from quadra.health.verdict import DEGRADED, Found, check, degraded, healthy

LISTED = 3


@check("machine", keep_seconds=300, worst=DEGRADED)
def files(context: CheckContext) -> Found:
    """They are Quadra's own, and open to no other user."""
    settings = context.runtime.settings
    if wide := file_modes.find_open(settings):
        return degraded(
            f"Other users of this machine may use {_listed(wide)}: start Quadra again, which mends DATA_DIR, or chmod go= them.",
            paths=[str(path) for path in wide],
        )
    if foreign := file_modes.find_foreign(settings):
        return degraded(
            f"Of another user than {settings.data_dir}: {_listed(foreign)}. Give them to Quadra's user with chown.",
            paths=[str(path) for path in foreign],
        )
    return healthy("Only Quadra's own user may read its files.")


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - LISTED} more" if len(paths) > LISTED else ""
    return ", ".join(str(path) for path in paths[:LISTED]) + more
