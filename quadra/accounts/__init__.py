"""Projects, users, keys, roles, audit: who may do what."""

COMMANDS = {
    "init": "quadra.accounts.commands:init",
    "project": "quadra.accounts.commands:project",
    "key": "quadra.accounts.commands:key",
    "user": "quadra.accounts.user_commands:user",
}
"""name -> module:function. The module is imported only when somebody asks for the command."""
