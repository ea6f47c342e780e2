"""Tables, paragraphs and sections of the page Benchmarks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH = 130


def section(title: str, *blocks: str) -> str:
    """A heading and what stands under it; empty blocks are left out."""
    return "\n\n".join([f"## {title}", *(block for block in blocks if block)])


def prose(text: str) -> str:
    """A paragraph in lines of the usual length."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)])


def measured(machine: Mapping[str, Any]) -> str:
    """When and where, as a sentence."""
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    return prose(
        f"Measured {machine['measured_at'][:16]}Z on {machine['cores']} cores, {machine['memory_gb']} GB ({machine['system']}), "
        f"Quadra {machine['quadra']}, Python {machine['python']}{', ' + libraries if libraries else ''}; "
        f"load {machine['load_before']:.1f} before the start."
    )
