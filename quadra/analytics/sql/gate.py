"""What a statement may be, judged by the engine's own reading of it: never by a search for words.

DuckDB reads the statement into a tree and refuses to write down anything that is no SELECT. In the tree only what is listed
here may stand: the relation `events`, and table functions that read nothing. New kinds of nodes are refused until they are
listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
"""Statements inside statements: others insert, delete or copy."""
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
"""Others read files, settings or memory, or run what they are given."""
FUNCTIONS_REFUSED = frozenset(
    {"current_setting", "getvariable", "write_log", "nextval", "currval", "setval", "getenv", "which_secret", "query"}
)
"""Those that tell of the process or change it."""
RELATION = "events"


class Refused(Exception):
    """The statement may not be asked; the text says why."""


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raises `Refused`."""
    [(read,)] = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
    tree: dict[str, Any] = json.loads(read)
    if tree.get("error"):
        said = str(tree.get("error_message", ""))
        raise Refused("Only SELECT may be asked." if "Only SELECT" in said else said)
    statements = tree.get("statements", [])
    if len(statements) != 1:
        raise Refused("One statement is asked at a time.")
    nodes = list(_nodes(statements[0]))
    named = {RELATION} | {str(entry["key"]).lower() for node in nodes for entry in _ctes(node)}
    for node in nodes:
        _check(node, named)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:  # not by recursion: a statement may be nested deeper than Python goes
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _ctes(node: dict[str, Any]) -> list[Any]:
    found = node.get("cte_map")
    return list(found["map"]) if isinstance(found, dict) else []


def _check(node: dict[str, Any], named: set[str]) -> None:
    kind = node.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in NODES:
        raise Refused("Only SELECT may be asked.")
    if kind == "BASE_TABLE":
        name = str(node.get("table_name", ""))
        if node.get("schema_name") or node.get("catalog_name") or name.lower() not in named:
            raise Refused(f"There is no relation {name!r}: ask about {RELATION}.")
    if kind == "SHOW_REF" and node.get("query") is None:
        raise Refused(f"Ask DESCRIBE {RELATION} for its columns.")
    if kind == "TABLE_FUNCTION":
        name = str(node.get("function", {}).get("function_name", ""))
        if name.lower() not in TABLE_FUNCTIONS:
            raise Refused(f"The table function {name!r} may not be used; {', '.join(sorted(TABLE_FUNCTIONS))} may.")
    elif str(node.get("function_name", "")).lower() in FUNCTIONS_REFUSED:
        raise Refused(f"The function {node['function_name']!r} may not be used.")
