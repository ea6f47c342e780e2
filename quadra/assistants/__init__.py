"""Tools for assistants: every question as a read-only tool of the Model Context Protocol, over HTTP and stdio."""

COMMANDS = {"mcp": "quadra.assistants.commands:mcp_command"}
"""name -> module:function. The module is imported only when somebody asks for the command."""
