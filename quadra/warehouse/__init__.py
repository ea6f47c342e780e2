"""History as columns: compaction, segments, the query engine, retention, erasure."""

COMMANDS = {
    "warehouse": "quadra.warehouse.commands:warehouse",
    "erase": "quadra.warehouse.commands:erase",
}
"""name -> module:function. The module is imported only when the command is called."""
