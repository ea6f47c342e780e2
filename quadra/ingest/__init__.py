"""Events come in: accept, write, batch."""

COMMANDS = {
    "import": "quadra.ingest.commands:import_",
    "events": "quadra.ingest.commands:events",
}
"""name -> module:function. The module is imported only when the command is called."""
