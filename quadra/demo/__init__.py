"""Synthetic traffic for the project `demo`, and for no other."""

COMMANDS = {"demo": "quadra.demo.commands:demo"}
"""name -> module:function. The module is imported only when somebody asks for the command."""
