"""Which names in the environment look like settings and are none."""

from __future__ import annotations

import os
from difflib import get_close_matches

from quadra.core.environment import answered
from quadra.core.settings import Settings

ELSEWHERE = {"QUADRA_BIND", "QUADRA_ENV_FILE", "QUADRA_METRICS_PROCESS", "QUADRA_SUBNET", "QUADRA_TAG"}
"""Names that deployments and scripts read."""


def unknown() -> dict[str, str]:
    """Names in the environment that look like settings and are none -> the setting that was perhaps meant, or nothing."""
    known = {f"QUADRA_{field}".upper() for field in Settings.model_fields}
    found = {name for name in os.environ if name.startswith("QUADRA_")} - known - ELSEWHERE
    found -= {f"{name}_FILE" for name in known} | {name for name in found if name.startswith("QUADRA_VALIDATE_")}
    return {name: next(iter(get_close_matches(name, known, 1, 0.8)), "") for name in sorted(found)}


def notes() -> list[str]:
    """A sentence for each name in the environment that does nothing here, for people at a terminal."""
    nothing = [f"{name} does nothing here: {instead}." for name, instead in answered().items()]
    wrong = [
        f"{name} is no setting" + (f"; did you mean {meant}?" if meant else ": docs/settings.md lists them.")
        for name, meant in unknown().items()
    ]
    return wrong + nothing
