"""docs/coming-from.md as a list of names, for the test that types them."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs" / "coming-from.md").read_text()
ROWS = [
    line.strip("| ").split(" | ")[:2] for line in PAGE.splitlines() if line.startswith("| ") and "you typed" not in line
]
TYPED = [name for first, _ in ROWS for name in re.findall(r"`([^`]+)`", first)]
"""What people typed elsewhere."""
INSTEAD = [name for _, second in ROWS for name in re.findall(r"`([^`]+)`", second)]
"""What they type here."""


def typed(start: str) -> list[str]:
    """Those of one kind, by how they begin."""
    return [name for name in TYPED if re.match(start, name)]


SETTINGS = typed(r"[A-Z_]+=")
REQUESTS = typed("(GET|POST) /")
SCRIPTS = typed("scripts/")
EVENTS = typed(r"\{")
QUERIES = typed("SELECT ")
FILES = typed(r"quadra_matrix\S*\.log$")
COMPOSE = typed("docker compose ")
ALEMBIC = typed("alembic ")
KINDS = (SETTINGS, REQUESTS, SCRIPTS, EVENTS, QUERIES, FILES, COMPOSE, ALEMBIC)
