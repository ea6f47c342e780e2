"""Which files touch private parts of a library: docs/map.md names each, so that an upgrade is looked at where it may break."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PUBLIC = {"_asdict", "_fields", "_make", "_replace", "_tuple", "_get_current_object", "_open"}
"""Documented by their libraries all the same: named tuples, SQLAlchemy's rows, Werkzeug's proxies, `logging.FileHandler`."""


def named_here(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def is_of_base(node: ast.Attribute) -> bool:
    """`super()._name`: the base knows it."""
    return isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"


def test_every_file_that_touches_a_private_part_of_a_library_is_on_the_map() -> None:
    trees = {path: ast.parse(path.read_text()) for path in (ROOT / "quadra").rglob("*.py")}
    ours = {name for tree in trees.values() for name in named_here(tree)}
    touching = {
        path.relative_to(ROOT / "quadra").as_posix()
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in PUBLIC
        and (node.attr not in ours or is_of_base(node))
    }
    section = (ROOT / "docs/map.md").read_text().split("## Private parts of libraries", 1)[1].split("\n## ", 1)[0]
    named = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
    assert touching, "nothing was found: the search is broken"
    assert touching <= named, f"name them in docs/map.md: {touching - named}"


def test_every_file_and_folder_that_the_map_names_is_there() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", (ROOT / "docs/map.md").read_text()))
    assert len(named) > 40
    gone = {name for name in named if not (ROOT / "quadra" / name).exists() and not (ROOT / name).exists()}
    inside = {name for name in gone if any((ROOT / "quadra").glob(f"*/{name}"))}  # in the row of its room
    assert not gone - inside
