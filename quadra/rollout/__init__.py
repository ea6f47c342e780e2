"""Deployments, looked at from outside over HTTP: a judge must not share the illness of what it judges."""

COMMANDS = {
    "validate": "quadra.rollout.commands:validate_command",
}
"""name -> module:function. The module is imported only when somebody asks for the command."""
