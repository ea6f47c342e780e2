"""Is Quadra well: liveness, readiness."""

COMMANDS = {
    "doctor": "quadra.health.commands:doctor",
}
"""name -> module:function. The module is imported only when somebody asks for the command."""
