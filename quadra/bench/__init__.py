"""`quadra bench`: what this machine does with Quadra, next to the limits measured in the same minutes."""

COMMANDS = {
    "bench": "quadra.bench.commands:bench",
}
"""name -> module:function. The module is imported only when somebody asks for the command."""
