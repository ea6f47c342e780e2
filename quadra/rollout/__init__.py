"""Releases brought into use and watched from outside, over HTTP and with files: a judge must not share the illness of what it
judges.
"""

COMMANDS = {
    "validate": "quadra.rollout.commands:validate_command",
    "rollout": "quadra.rollout.rollout_commands:rollout",
}
"""name -> module:function. The module is imported only when somebody asks for the command."""
